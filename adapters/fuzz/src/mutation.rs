//! Changes a message where it can be changed: elements of the schema come, go and come twice, and texts are others of their form. Bytes that are changed blindly are hardly
//! ever a message.

use adapters::iso20022::document::HEADER;
use adapters::iso20022::form::Form;
use adapters::iso20022::profile::Profile;
use adapters::iso20022::schema::{ElementId, Group, Schema, Type};

/// Texts that fit somewhere. Which of them fit in an element, its form says.
const TEXTS: &[&str] = &[
    "NOTPROVIDED",
    "REQUEST TO PAY",
    "END USER TOKEN",
    "GOVERNMENT PAYMENT",
    "LIMITED 12",
    "camt.056.001.08",
    "camt.026.001.07",
    "pain.013.001.07",
    "pacs.008.001.08",
    "NORTHBANK",
    "SOUTDEFF",
    "SOUTDEFFXXX",
    "DEUTDEFFXXX",
    "GB82WEST12345698765432",
    "529900T8BM49AURSDO55",
    "f47ac10b-58cc-4372-a567-0e02b2c3d479",
    "3d2a6f0e-9b71-4c58-8e43-5f1b7a2c9d60",
    "f47ac10b58cc4372a5670e02b2c3d479",
    "3d2a6f0e9b714c588e435f1b7a2c9d60",
    "0",
    "1",
    "125.50",
    "00125.5",
    "+125.500",
    ".5",
    "999999999999999.999",
    "2026-11-23",
    "2026-11-23T08:30:00Z",
    " 2026-11-23T09:30:00.123456789+01:00 ",
    "1970-01-01T00:00:00.000000001Z",
    "2262-04-11T23:47:16.854775807Z",
    "08:30:08Z",
    "23:59:59.999999999Z",
    "08:30:08",
    "2026-11",
    "true",
    "false",
    "EUR",
    "GB",
    "en",
    "MPNS",
    "CLRG",
    "SLEV",
    "INST",
    "MOBL",
    "EMAL",
    "MERCHANT",
    "NARR",
    "CUST",
    "AB05",
    "NOOR",
    "AM05",
    "NOAS",
    "AEXR",
    "MS03",
    "GDDS",
    "SGON",
    "PING",
    "ACCP",
    "RJCT",
    "ACSC",
    "RJCR",
    "CNCL",
    "+44-7700900123",
    "QUJD",
    " ",
    "  two  words ",
    "&lt;&amp;&gt;",
    "a &#13; b",
    "&#x1F600;é€",
    "]]&gt;",
    "a<!-- b -->c",
    "<![CDATA[<&]]>",
    "<Entry xmlns=\"urn:x\"/>",
];

/// Deeper no element is made that need not be.
const DEPTH_MAX: usize = 10;

/// An element of a message.
#[derive(Clone)]
struct Node {
    element: ElementId,
    place: u16,
    currency: String,
    /// As it stands between the tags.
    text: String,
    children: Vec<Node>,
}

/// Changes a message; none where that is no message.
pub fn change(message: &[u8], seed: u32) -> Option<String> {
    let text = std::str::from_utf8(message).ok()?;
    let schema = Profile::clearspan().schema;
    let (_, rest) = text.split_once("<Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:")?;
    let (name, body) = rest.split_once("\">")?;
    let start = body.as_ptr().addr() - text.as_ptr().addr();
    let end = text.rfind("</Document>").filter(|&end| start <= end)?;
    let root = schema.message(name).filter(|message| message.name != HEADER)?.root;
    let mut source = text[start..end].trim();
    let mut node = parse(schema, &mut source, None, root)?;
    let mut change = Change { schema, random: u64::from(seed).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1 };
    for _ in 0..=change.below(3) {
        change.once(&mut node, 0);
    }
    let mut out = text[..start].to_owned();
    write(schema, &node, &mut out);
    out.push_str(&text[end..]);
    Some(out)
}

/// Reads an element of a message as the encoder, or a person, writes it.
fn parse(schema: &Schema, source: &mut &str, parent: Option<Group>, root: ElementId) -> Option<Node> {
    let (tag, rest) = source.strip_prefix('<')?.split_once('>')?;
    let (name, attributes) = tag.trim_end_matches('/').split_once(' ').unwrap_or((tag.trim_end_matches('/'), ""));
    let (place, element) = match parent {
        Some(group) => schema.find(group, name, 0)?,
        None => (schema.element(root).name == name).then_some((0, root))?,
    };
    let currency =
        attributes.trim().strip_prefix("Ccy=\"").and_then(|rest| rest.get(..3)).unwrap_or_default().to_owned();
    let mut node = Node { element, place, currency, text: String::new(), children: Vec::new() };
    *source = rest;
    if tag.ends_with('/') {
        return Some(node);
    }
    let close = format!("</{name}>");
    if let Type::Group(group) = schema.type_of(element) {
        *source = source.trim_start();
        while !source.starts_with("</") {
            node.children.push(parse(schema, source, Some(*group), root)?);
            *source = source.trim_start();
        }
    } else {
        let end = source.find(&close)?;
        node.text = source[..end].to_owned();
        *source = &source[end..];
    }
    *source = source.strip_prefix(&close)?;
    Some(node)
}

fn write(schema: &Schema, node: &Node, out: &mut String) {
    let name = schema.element(node.element).name;
    match node.currency.as_str() {
        "" => out.extend(["<", name, ">"]),
        currency => out.extend(["<", name, " Ccy=\"", currency, "\">"]),
    }
    out.push_str(&node.text);
    node.children.iter().for_each(|child| write(schema, child, out));
    out.extend(["</", name, ">"]);
}

struct Change {
    schema: &'static Schema,
    random: u64,
}

impl Change {
    fn below(&mut self, limit: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        usize::try_from(self.random >> 33).unwrap_or(0) % limit.max(1)
    }

    /// Changes one thing: here, or in something below.
    fn once(&mut self, node: &mut Node, depth: usize) {
        let Type::Group(group) = *self.schema.type_of(node.element) else {
            *node = self.make(node.element, node.place, depth);
            return;
        };
        let count = node.children.len();
        if count > 0 && self.below(4) > 0 {
            let child = self.below(count);
            return self.once(&mut node.children[child], depth + 1);
        }
        match self.below(4) {
            0 if count > 0 => {
                node.children.remove(self.below(count));
            }
            1 if count > 0 => {
                let child = self.below(count);
                node.children.insert(child, node.children[child].clone());
            }
            _ => self.add(node, group, depth),
        }
    }

    /// Adds an element where it belongs, in the place of what cannot stand beside it.
    fn add(&mut self, node: &mut Node, group: Group, depth: usize) {
        let place = u16::try_from(self.below(usize::from(group.count()))).unwrap_or(0);
        let new = self.make(group.member(place), place, depth + 1);
        let is_single = self.schema.element(new.element).max == 1;
        node.children.retain(|child| !(group.is_choice || is_single && child.place == place));
        let before = node.children.iter().filter(|child| child.place <= place).count();
        node.children.insert(before, new);
    }

    /// A new element with all that it must have, and some that it may have.
    fn make(&mut self, element: ElementId, place: u16, depth: usize) -> Node {
        let mut node = Node { element, place, currency: String::new(), text: String::new(), children: Vec::new() };
        match self.schema.type_of(element) {
            Type::Group(group) if group.is_choice => {
                let place = u16::try_from(self.below(usize::from(group.count()))).unwrap_or(0);
                node.children.push(self.make(group.member(place), place, depth + 1));
            }
            Type::Group(group) => {
                for place in 0..group.count() {
                    let member = group.member(place);
                    let is_wanted = self.schema.element(member).min > 0 || depth < DEPTH_MAX && self.below(8) == 0;
                    if is_wanted {
                        node.children.push(self.make(member, place, depth + 1));
                    }
                }
            }
            Type::Text(form) => {
                node.text = self.text(form);
                if matches!(form, Form::Amount(_)) {
                    node.currency = ["EUR", "EUR", "JPY", "KWD", "XXX"][self.below(5)].to_owned();
                }
            }
        }
        node
    }

    fn text(&mut self, form: &Form) -> String {
        match form {
            Form::Code(codes) => codes[self.below(codes.len())].to_owned(),
            Form::Text { max, .. } if self.below(6) == 0 => "é".repeat(usize::from(*max).min(200)),
            Form::Any => "<Entry xmlns=\"urn:x\" a='>'>text</Entry>".to_owned(),
            form => {
                let first = self.below(TEXTS.len());
                let mut texts = TEXTS[first..].iter().chain(&TEXTS[..first]);
                texts.find(|text| form.holds(text)).copied().unwrap_or_default().to_owned()
            }
        }
    }
}
