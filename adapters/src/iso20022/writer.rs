//! Writes messages: elements in the order of the schema, and between them what another side had said that the switch does not use.
//!
//! The encoder of a message writes its own elements from the top; each is found in the schema from where the last one stood, so an element in the wrong place is a panic
//! in the first test. What is carried (the `rest`) has the same structure, and is merged in as the own elements go by; what both have is the encoder's own.

use std::fmt::Write as _;

use super::document::NodeRef;
use super::form::Form;
use super::schema::{ElementId, NAMESPACE, Schema, Type};

/// Writes one message.
pub(super) struct Writer<'w, 'r> {
    schema: &'static Schema,
    out: &'w mut String,
    open: Vec<Open<'r>>,
}

/// An element that is being written.
struct Open<'r> {
    element: ElementId,
    /// Place in its type of what was written last.
    place: u16,
    /// Where it begins in the output, and where what it holds begins.
    start: usize,
    content: usize,
    /// What is carried of it and not written yet.
    rest: Option<NodeRef<'r>>,
    /// Is it written even when it holds nothing?
    is_kept: bool,
}

impl<'w, 'r> Writer<'w, 'r> {
    /// Begins a message of this name with its root element, whose rest is this.
    pub(super) fn begin(
        schema: &'static Schema,
        name: &str,
        rest: Option<NodeRef<'r>>,
        out: &'w mut String,
    ) -> Writer<'w, 'r> {
        let message = schema.message(name).expect("an encoder names a message of the schema");
        let mut writer = Writer { schema, out, open: Vec::with_capacity(12) };
        let start = writer.out.len();
        let around = if name == super::document::HEADER { "" } else { "<Document xmlns=\"" };
        let root = schema.element(message.root).name;
        let _ = match around {
            "" => write!(writer.out, "<{root} xmlns=\"{NAMESPACE}{name}\">"),
            around => write!(writer.out, "{around}{NAMESPACE}{name}\"><{root}>"),
        };
        let content = writer.out.len();
        let rest = rest.and_then(NodeRef::first_child);
        writer.open.push(Open { element: message.root, place: 0, start, content, rest, is_kept: true });
        writer
    }

    /// Ends the message.
    pub(super) fn end(mut self) {
        let is_header = self.schema.element(self.open[0].element).name == "AppHdr";
        self.close();
        assert!(self.open.is_empty(), "every element is closed");
        if !is_header {
            self.out.push_str("</Document>");
        }
    }

    /// Begins an element that holds elements. Left out again where it comes to hold nothing.
    pub(super) fn open(&mut self, name: &str) {
        let (element, matched) = self.advance(name);
        let start = self.out.len();
        self.out.push('<');
        self.out.push_str(name);
        self.out.push('>');
        let content = self.out.len();
        let rest = matched.and_then(NodeRef::first_child);
        self.open.push(Open { element, place: 0, start, content, rest, is_kept: matched.is_some_and(is_empty) });
    }

    /// As `open`, of an element that the schema requires.
    pub(super) fn open_kept(&mut self, name: &str) {
        self.open(name);
        self.top().is_kept = true;
    }

    /// Ends the element that was opened last.
    pub(super) fn close(&mut self) {
        self.write_rest_until(u16::MAX);
        let open = self.open.pop().expect("what is closed was opened");
        if self.out.len() == open.content && !open.is_kept {
            self.out.truncate(open.start);
            return;
        }
        self.end_tag(self.schema.element(open.element).name);
    }

    /// Several elements inside each other, around one.
    pub(super) fn within(&mut self, path: &[&str], write: impl FnOnce(&mut Self)) {
        path.iter().for_each(|name| self.open(name));
        write(self);
        path.iter().for_each(|_| self.close());
    }

    /// An element with a text; nothing where that is empty.
    pub(super) fn text(&mut self, name: &str, text: &str) {
        if text.is_empty() {
            return;
        }
        self.advance(name);
        self.start_tag(name);
        escape(text, self.out);
        self.end_tag(name);
    }

    /// An element whose text needs no escaping: a number, a time, a code of ours.
    pub(super) fn plain(&mut self, name: &str, text: impl std::fmt::Display) {
        self.advance(name);
        self.start_tag(name);
        let _ = write!(self.out, "{text}");
        self.end_tag(name);
    }

    /// An element with a text, unless what is carried has it.
    pub(super) fn text_or_rest(&mut self, name: &str, text: &str) {
        if !self.rest_has(name) {
            self.text(name, text);
        }
    }

    /// An amount.
    pub(super) fn amount(&mut self, name: &str, currency: ledger::Currency, amount: impl std::fmt::Display) {
        self.advance(name);
        let _ = write!(self.out, "<{name} Ccy=\"{currency}\">{amount}");
        self.end_tag(name);
    }

    /// Is there something in what is carried, at this element of the one that was opened last?
    pub(super) fn rest_has(&self, name: &str) -> bool {
        let mut at = self.open.last().and_then(|open| open.rest);
        while let Some(node) = at {
            if node.name() == name && (node.first_child().is_some() || !node.text().is_empty()) {
                return true;
            }
            at = node.next();
        }
        false
    }

    fn top(&mut self) -> &mut Open<'r> {
        self.open.last_mut().expect("a message has a root")
    }

    /// Writes what is carried before an element of this name; gives the element, and what is carried of the element itself.
    fn advance(&mut self, name: &str) -> (ElementId, Option<NodeRef<'r>>) {
        let open = self.open.last().expect("a message has a root");
        let Type::Group(group) = *self.schema.type_of(open.element) else { panic!("{name} is written into a text") };
        let (place, element) =
            self.schema.find(group, name, open.place).unwrap_or_else(|| panic!("{name} is not in the schema"));
        assert!(place >= open.place, "{name} is written in the wrong place");
        self.write_rest_until(place);
        let top = self.top();
        top.place = place;
        // What is carried of the first element of a name is its own; others come behind it.
        match top.rest {
            Some(rest) if rest.place() == place && rest.occurrence() == 0 => {
                top.rest = rest.next();
                (element, Some(rest))
            }
            _ => (element, None),
        }
    }

    /// Writes what is carried of the elements before a place.
    fn write_rest_until(&mut self, place: u16) {
        while let Some(rest) = self.top().rest.filter(|rest| rest.place() < place) {
            write_element(rest, self.out);
            let top = self.top();
            top.place = rest.place();
            top.rest = rest.next();
        }
    }

    fn start_tag(&mut self, name: &str) {
        self.out.push('<');
        self.out.push_str(name);
        self.out.push('>');
    }

    fn end_tag(&mut self, name: &str) {
        self.out.push_str("</");
        self.out.push_str(name);
        self.out.push('>');
    }
}

/// Does it hold nothing, as ISO 20022 allows of many elements, and is yet more than a place?
fn is_empty(node: NodeRef<'_>) -> bool {
    node.first_child().is_none() && node.text().is_empty() && node.counts_empty()
}

/// An element as it was read. One that only kept a place is left out.
fn write_element(node: NodeRef<'_>, out: &mut String) {
    write_tagged(node, out, |out| match node.first_child() {
        Some(_) => node.children().for_each(|child| write_element(child, out)),
        None => write_text(node, out),
    });
}

/// The tags of an element around something; nothing where that turns out to be nothing.
fn write_tagged(node: NodeRef<'_>, out: &mut String, write: impl FnOnce(&mut String)) {
    let start = out.len();
    let name = node.name();
    let _ = match node.currency() {
        [0, ..] => write!(out, "<{name}>"),
        currency => write!(out, "<{name} Ccy=\"{}\">", std::str::from_utf8(&currency).unwrap_or_default()),
    };
    let content = out.len();
    write(out);
    if out.len() == content && !is_empty(node) {
        out.truncate(start);
        return;
    }
    let _ = write!(out, "</{name}>");
}

fn write_text(node: NodeRef<'_>, out: &mut String) {
    match node.schema_type() {
        // Elements of anybody stand as they came: they were read, and are XML.
        Type::Text(Form::Any) => out.push_str(node.text()),
        _ => escape(node.text(), out),
    }
}

/// XML 1.0, 2.4 and 2.11.
fn escape(text: &str, out: &mut String) {
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|byte| matches!(byte, b'&' | b'<' | b'>' | b'\r')) {
        out.push_str(&rest[..at]);
        out.push_str(match rest.as_bytes()[at] {
            b'&' => "&amp;",
            b'<' => "&lt;",
            b'>' => "&gt;",
            _ => "&#13;",
        });
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
}

/// What nobody took of a message: its root element, with nothing in it but that. Of several transactions it has one. Empty where everything was taken.
///
/// An element of which there may be several keeps its place among them: those before it that were taken whole stand there empty.
pub(super) fn write_rest<'d>(message: &str, root: NodeRef<'d>, transaction: Option<NodeRef<'d>>, out: &mut String) {
    let start = out.len();
    let name = root.name();
    let _ = write!(out, "<{name} xmlns=\"{NAMESPACE}{message}\">");
    let content = out.len();
    write_rest_below(root, transaction, out);
    if out.len() == content {
        out.truncate(start);
        return;
    }
    let _ = write!(out, "</{name}>");
}

fn write_rest_below<'d>(parent: NodeRef<'d>, transaction: Option<NodeRef<'d>>, out: &mut String) {
    // Of elements that hold transactions only the one that holds this is of interest, as if there were no other.
    let towards = transaction.and_then(|transaction| parent.child_towards(transaction));
    let (mut place, mut written) = (u16::MAX, 0);
    for child in parent.children() {
        let is_towards = towards.is_some_and(|towards| towards.is(child));
        let is_beside = towards.is_some_and(|towards| towards.place() == child.place()) && !is_towards;
        if is_beside || !child.has_rest() {
            continue;
        }
        if child.place() != place {
            (place, written) = (child.place(), 0);
        }
        if !is_towards {
            for _ in written..child.occurrence() {
                let _ = write!(out, "<{}/>", child.name());
            }
        }
        written = child.occurrence() + 1;
        write_tagged(child, out, |out| match child.first_child() {
            Some(_) => write_rest_below(child, transaction, out),
            None => write_text(child, out),
        });
    }
}
