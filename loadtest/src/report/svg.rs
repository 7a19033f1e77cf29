//! Charts as SVG text: lines, steps, bars, linear and logarithmic axes. Nothing is fetched and nothing runs: a chart is a picture wherever it is opened.
//!
//! ```text
//!   title                                   - name - name
//!   y label
//!   ^ |        .-.                  the frame is WIDTH x HEIGHT, the plot lies
//!   | |    ___/   \___              inside the margins
//!   +-+--------------------> x label
//! ```

use std::fmt::Write;

use super::numbers::tick;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 290.0;
const LEFT: f64 = 62.0;
const RIGHT: f64 = 18.0;
const TOP: f64 = 52.0;
const BOTTOM: f64 = 44.0;

/// More marks than this are drawn faintly, so that they do not hide the lines.
const MARKS_PLAIN_MAX: usize = 12;

/// Rules for every chart; a page has them once, a file on its own once inside.
pub(crate) const STYLE: &str = "\
svg{--ink:#1c2733;--soft:#66727f;--grid:#e3e8ed;--back:#fff;--c0:#0072b2;--c1:#d55e00;--c2:#009e73;--c3:#cc79a7;--c4:#8a94a0;--c5:#e69f00;\
font-family:system-ui,-apple-system,'Segoe UI',Roboto,'Noto Sans',sans-serif;background:var(--back)}\
@media(prefers-color-scheme:dark){svg{--ink:#e6ebf0;--soft:#9aa7b4;--grid:#2b3642;--back:#161d25;--c0:#56b4e9;--c1:#ff8a4a;--c2:#3ecf9f;\
--c3:#e59ac4;--c4:#93a0ad;--c5:#f0c04a}}\
svg text{fill:var(--soft);font-size:12px}svg .title{fill:var(--ink);font-size:15px;font-weight:600}svg .value{fill:var(--ink)}\
svg .grid{stroke:var(--grid);stroke-width:1}svg .axis{stroke:var(--soft);stroke-width:1}\
svg .mark{stroke:var(--c1);stroke-width:1;stroke-dasharray:3 3}svg .mark.many{opacity:.35}svg .mark-text{fill:var(--c1);font-size:11px}\
svg .line{fill:none;stroke-width:1.8;stroke-linejoin:round}svg .dash{stroke-dasharray:5 4;stroke-width:1.4}\
svg .s0{stroke:var(--c0)}svg .s1{stroke:var(--c1)}svg .s2{stroke:var(--c2)}svg .s3{stroke:var(--c3)}svg .s4{stroke:var(--c4)}svg .s5{stroke:var(--c5)}\
svg .f0{fill:var(--c0)}svg .f1{fill:var(--c1)}svg .f2{fill:var(--c2)}svg .f3{fill:var(--c3)}svg .f4{fill:var(--c4)}svg .f5{fill:var(--c5)}";

/// How an axis is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scale {
    /// Evenly, from 0.
    Linear,
    /// By powers of ten; what is not above 0 is not drawn.
    Log,
}

/// How a series is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// From point to point.
    Line,
    /// The same, dashed.
    Dashed,
    /// From point to point, with each marked.
    Dotted,
}

/// Points under one name.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// Number of its colour, 0 to 5.
    pub(crate) colour: usize,
    pub(crate) points: Vec<(f64, f64)>,
}

/// A chart with two axes.
#[derive(Clone, Debug)]
pub(crate) struct Chart {
    /// Of its file.
    pub(crate) name: &'static str,
    pub(crate) title: String,
    pub(crate) x: (&'static str, Scale),
    pub(crate) y: (&'static str, Scale),
    pub(crate) series: Vec<Series>,
    /// Moments on the x axis with something to say.
    pub(crate) marks: Vec<(f64, String)>,
}

/// Parts of a whole, one bar each.
#[derive(Clone, Debug)]
pub(crate) struct Bars {
    /// Of its file.
    pub(crate) name: &'static str,
    pub(crate) title: String,
    /// Names of the parts, by colour.
    pub(crate) parts: Vec<&'static str>,
    pub(crate) rows: Vec<Row>,
}

/// One bar.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) name: String,
    /// In the order of the parts.
    pub(crate) values: Vec<f64>,
    /// Behind the bar.
    pub(crate) text: String,
}

/// A picture.
#[derive(Clone, Debug)]
pub(crate) enum Plot {
    Chart(Chart),
    Bars(Bars),
}

impl Plot {
    /// Of its file, without the ending.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Plot::Chart(chart) => chart.name,
            Plot::Bars(bars) => bars.name,
        }
    }

    /// For a page that has `STYLE`.
    pub(crate) fn svg(&self) -> String {
        match self {
            Plot::Chart(chart) => chart.svg(),
            Plot::Bars(bars) => bars.svg(),
        }
    }

    /// For a file of its own.
    pub(crate) fn file(&self) -> String {
        self.svg().replacen('>', &format!("><style>{STYLE}</style>"), 1)
    }
}

/// Text of others in markup.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// One axis: from values to places.
struct Axis {
    scale: Scale,
    from: f64,
    to: f64,
    /// Of `from` and of `to` in the picture.
    places: (f64, f64),
}

#[allow(clippy::float_arithmetic, reason = "places in a picture")]
impl Axis {
    /// Wide enough for all values.
    fn new(scale: Scale, values: impl Iterator<Item = f64>, from_zero: bool, places: (f64, f64)) -> Axis {
        let seen = values.filter(|value| value.is_finite() && (scale == Scale::Linear || *value > 0.0));
        let (mut from, mut to) = (f64::INFINITY, f64::NEG_INFINITY);
        seen.for_each(|value| (from, to) = (from.min(value), to.max(value)));
        if from > to {
            (from, to) = (if scale == Scale::Log { 1.0 } else { 0.0 }, 1.0);
        }
        match scale {
            Scale::Linear if from_zero => (from, to) = (from.min(0.0), if to > 0.0 { to * 1.05 } else { 1.0 }),
            Scale::Linear => to = if to > from { to } else { from + 1.0 },
            Scale::Log => {
                from = 10f64.powf(from.log10().floor());
                to = 10f64.powf(to.log10().ceil()).max(from * 10.0);
            }
        }
        Axis { scale, from, to, places }
    }

    fn place(&self, value: f64) -> Option<f64> {
        let share = match self.scale {
            Scale::Linear => (value - self.from) / (self.to - self.from),
            Scale::Log if value > 0.0 => (value / self.from).log10() / (self.to / self.from).log10(),
            Scale::Log => return None,
        };
        Some(self.places.0 + share.clamp(0.0, 1.0) * (self.places.1 - self.places.0))
    }

    /// Round values to write on it.
    fn ticks(&self) -> Vec<f64> {
        match self.scale {
            Scale::Linear => {
                let rough = (self.to - self.from) / 6.0;
                let power = 10f64.powf(rough.log10().floor());
                let factor = [1.0, 2.0, 5.0, 10.0].into_iter().find(|factor| power * factor >= rough).unwrap_or(10.0);
                let step = power * factor;
                let first = (self.from / step).ceil();
                (0..12).map(|number| (first + f64::from(number)) * step).take_while(|&value| value <= self.to).collect()
            }
            Scale::Log => {
                let decades = (self.to / self.from).log10();
                let factors: &[f64] = if decades < 2.5 { &[1.0, 2.0, 5.0] } else { &[1.0] };
                let powers = (0..20).map(|number| self.from * 10f64.powi(number));
                let values = powers.flat_map(|power| factors.iter().map(move |factor| power * factor));
                values.take_while(|&value| value <= self.to * 1.001).collect()
            }
        }
    }
}

#[allow(clippy::float_arithmetic, reason = "places in a picture")]
impl Chart {
    fn svg(&self) -> String {
        let points = || self.series.iter().flat_map(|series| series.points.iter());
        let x = Axis::new(self.x.1, points().map(|point| point.0), false, (LEFT, WIDTH - RIGHT));
        let y = Axis::new(self.y.1, points().map(|point| point.1), true, (HEIGHT - BOTTOM, TOP));
        let mut svg = open(&self.title, HEIGHT);
        self.legend(&mut svg);
        self.axes(&mut svg, &x, &y);
        let class = if self.marks.len() > MARKS_PLAIN_MAX { "mark many" } else { "mark" };
        for (at, text) in &self.marks {
            if let Some(place) = x.place(*at) {
                let text = escaped(text);
                let (to, text_at) = (HEIGHT - BOTTOM, place + 3.0);
                let _ = write!(
                    svg,
                    "<line class=\"{class}\" x1=\"{place:.1}\" x2=\"{place:.1}\" y1=\"{TOP}\" y2=\"{to}\"/>"
                );
                let _ = write!(svg, "<text class=\"mark-text\" x=\"{text_at:.1}\" y=\"{}\">{text}</text>", TOP + 10.0);
            }
        }
        self.series.iter().for_each(|series| series.draw(&mut svg, &x, &y));
        svg.push_str("</svg>");
        svg
    }

    fn legend(&self, svg: &mut String) {
        let mut right = WIDTH - RIGHT;
        for series in self.series.iter().rev() {
            right -= 7.0 * f64::from(u16::try_from(series.name.chars().count()).unwrap_or(20)) + 8.0;
            let _ = write!(svg, "<text x=\"{right:.0}\" y=\"40\">{}</text>", escaped(&series.name));
            let class = series.classes();
            let (from, to) = (right - 22.0, right - 5.0);
            let _ = write!(svg, "<line class=\"{class}\" x1=\"{from:.0}\" x2=\"{to:.0}\" y1=\"36\" y2=\"36\"/>");
            right -= 32.0;
        }
    }

    fn axes(&self, svg: &mut String, x: &Axis, y: &Axis) {
        let (bottom, right) = (HEIGHT - BOTTOM, WIDTH - RIGHT);
        for value in y.ticks() {
            let Some(place) = y.place(value) else { continue };
            let _ =
                write!(svg, "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{place:.1}\" y2=\"{place:.1}\"/>");
            let (text_x, text_y) = (LEFT - 8.0, place + 4.0);
            let _ = write!(svg, "<text x=\"{text_x}\" y=\"{text_y:.1}\" text-anchor=\"end\">{}</text>", tick(value));
        }
        for value in x.ticks() {
            let Some(place) = x.place(value) else { continue };
            let (text_y, text) = (bottom + 17.0, tick(value));
            let tick_to = bottom + 4.0;
            let _ = write!(
                svg,
                "<line class=\"axis\" x1=\"{place:.1}\" x2=\"{place:.1}\" y1=\"{bottom}\" y2=\"{tick_to}\"/>"
            );
            let _ = write!(svg, "<text x=\"{place:.1}\" y=\"{text_y}\" text-anchor=\"middle\">{text}</text>");
        }
        let _ = write!(svg, "<line class=\"axis\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{bottom}\" y2=\"{bottom}\"/>");
        let (x_y, y_y) = (HEIGHT - 8.0, TOP - 12.0);
        let _ = write!(svg, "<text x=\"{right}\" y=\"{x_y}\" text-anchor=\"end\">{}</text>", escaped(self.x.0));
        let _ = write!(svg, "<text x=\"10\" y=\"{y_y}\">{}</text>", escaped(self.y.0));
    }
}

#[allow(clippy::float_arithmetic, reason = "places in a picture")]
impl Series {
    fn classes(&self) -> String {
        let dash = if self.kind == Kind::Dashed { " dash" } else { "" };
        format!("line s{}{dash}", self.colour % 6)
    }

    fn draw(&self, svg: &mut String, x: &Axis, y: &Axis) {
        let places = self.points.iter().filter_map(|point| Some((x.place(point.0)?, y.place(point.1)?)));
        let places: Vec<(f64, f64)> = places.collect();
        let path: Vec<String> = places.iter().map(|place| format!("{:.1},{:.1}", place.0, place.1)).collect();
        if path.len() > 1 {
            let _ = write!(svg, "<polyline class=\"{}\" points=\"{}\"/>", self.classes(), path.join(" "));
        }
        if self.kind == Kind::Dotted || path.len() == 1 {
            for (place_x, place_y) in places {
                let colour = self.colour % 6;
                let _ = write!(svg, "<circle class=\"f{colour}\" cx=\"{place_x:.1}\" cy=\"{place_y:.1}\" r=\"3.5\"/>");
            }
        }
    }
}

#[allow(clippy::float_arithmetic, reason = "places in a picture")]
impl Bars {
    fn svg(&self) -> String {
        const ROW: f64 = 30.0;
        let count = f64::from(u16::try_from(self.rows.len()).unwrap_or(u16::MAX));
        let height = TOP + 12.0 + ROW * count;
        let left = 130.0;
        let width = WIDTH - left - 180.0;
        let greatest = self.rows.iter().map(|row| row.values.iter().sum::<f64>()).fold(f64::MIN_POSITIVE, f64::max);
        let mut svg = open(&self.title, height);
        let mut right = WIDTH - RIGHT;
        for (colour, part) in self.parts.iter().enumerate().rev() {
            right -= 7.0 * f64::from(u16::try_from(part.chars().count()).unwrap_or(20)) + 8.0;
            let _ = write!(svg, "<text x=\"{right:.0}\" y=\"40\">{}</text>", escaped(part));
            let at = right - 16.0;
            let _ =
                write!(svg, "<rect class=\"f{colour}\" x=\"{at:.0}\" y=\"30\" width=\"11\" height=\"11\" rx=\"2\"/>");
            right -= 26.0;
        }
        let mut top = TOP + 6.0;
        for row in &self.rows {
            let text_y = top + 15.0;
            let name_at = left - 10.0;
            let name = escaped(&row.name);
            let _ = write!(svg, "<text x=\"{name_at}\" y=\"{text_y}\" text-anchor=\"end\">{name}</text>");
            let mut at = left;
            for (colour, value) in row.values.iter().enumerate() {
                let length = value / greatest * width;
                let _ = write!(
                    svg,
                    "<rect class=\"f{colour}\" x=\"{at:.1}\" y=\"{top:.1}\" width=\"{length:.1}\" height=\"20\"/>"
                );
                at += length;
            }
            let text_at = at + 8.0;
            let text = escaped(&row.text);
            let _ = write!(svg, "<text class=\"value\" x=\"{text_at:.1}\" y=\"{text_y}\">{text}</text>");
            top += ROW;
        }
        svg.push_str("</svg>");
        svg
    }
}

fn open(title: &str, height: f64) -> String {
    let title = escaped(title);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{title}\">\
         <text class=\"title\" x=\"10\" y=\"20\">{title}</text>"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(scale: Scale, values: &[f64]) -> Axis {
        Axis::new(scale, values.iter().copied(), true, (0.0, 100.0))
    }

    #[test]
    fn axes_hold_their_values_and_have_round_ticks() {
        let linear = axis(Scale::Linear, &[10.0, 95.0]);
        assert_eq!(linear.ticks(), [0.0, 20.0, 40.0, 60.0, 80.0]);
        assert!(linear.place(95.0).is_some_and(|place| (90.0..100.0).contains(&place)));
        let log = axis(Scale::Log, &[0.0, 0.3, 40.0]);
        assert_eq!((log.place(0.0), log.ticks().len()), (None, 4));
        assert!(log.place(0.3).is_some_and(|place| place > 0.0));
        let narrow = axis(Scale::Log, &[20.0, 70.0]);
        assert_eq!(narrow.ticks(), [10.0, 20.0, 50.0, 100.0]);
    }

    #[test]
    fn nothing_to_draw_is_still_a_picture() {
        for scale in [Scale::Linear, Scale::Log] {
            let chart = Chart {
                name: "x",
                title: "a < b".into(),
                x: ("s", Scale::Linear),
                y: ("ms", scale),
                series: vec![],
                marks: vec![(f64::NAN, String::new())],
            };
            let svg = Plot::Chart(chart).file();
            assert!(svg.starts_with("<svg") && svg.ends_with("</svg>") && svg.contains("a &lt; b"), "{svg}");
            assert!(svg.contains("<style>"));
        }
    }

    #[test]
    fn points_keep_their_order_and_stay_in_the_frame() {
        let points = vec![(0.0, 1.0), (1.0, 100.0), (2.0, 10.0)];
        let series = vec![Series { name: "p99".into(), kind: Kind::Line, colour: 0, points }];
        let chart = Chart {
            name: "x",
            title: "t".into(),
            x: ("s", Scale::Linear),
            y: ("ms", Scale::Log),
            series,
            marks: vec![],
        };
        let svg = chart.svg();
        // 1 lies at the bottom of its two decades, 100 at the top, 10 in the middle.
        assert!(svg.contains("points=\"62.0,246.0 382.0,52.0 702.0,149.0\""), "{svg}");
    }
}
