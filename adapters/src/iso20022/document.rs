//! A message read from XML: checked against schema and profile while it is read, then a tree whose texts the mappings take.
//!
//! What goes in is bytes from anybody. What comes out is a `Document` of a message that the scheme has, or a `Refusal` that says what is wrong, where, and on which line. Memory is
//! bounded by `limits`, no element costs an allocation (the `Decoder` keeps its buffers), and nothing of the text is ever resolved from outside: document types, entities
//! other than the five of XML, and processing instructions are refused.
//!
//! A mapping takes what it uses; what nobody took can be asked for as `carried`, so that nothing is dropped in silence.

use std::cell::Cell;

use quick_xml::Reader;
use quick_xml::events::{BytesDecl, BytesStart, Event};

use super::form::Form;
use super::limits::{ATTRIBUTES_MAX, DEPTH_MAX, ELEMENTS_MAX, MESSAGE_BYTES_MAX, NAMESPACES_MAX};
use super::profile::{Profile, RulesId};
use super::refusal::{Cause, Refusal};
use super::schema::{Definition, ElementId, Group, Key, Kind, NAMESPACE, Schema, Type, UNBOUNDED};

/// The header of all messages.
pub const HEADER: &str = "head.001.001.02";

/// Its place in the schema.
const HEADER_PLACE: usize = 0;

/// Reads messages. Holds the buffers, which are used again.
#[derive(Debug)]
pub struct Decoder {
    profile: &'static Profile,
    nodes: Vec<Node>,
    /// Text that does not stand in the message as it is meant: with entities, in pieces.
    unescaped: String,
    open: Vec<Open>,
    namespaces: Vec<Binding>,
}

/// An element of the tree.
#[derive(Clone, Debug)]
struct Node {
    element: ElementId,
    parent: u16,
    /// The next child of the same parent; itself where there is none.
    next: u16,
    /// 0 where it has none: the first node is nobody's child.
    first_child: u16,
    /// Of its parent's children with this name, from 0.
    occurrence: u16,
    /// Place among the members of its parent's type.
    place: u16,
    /// Where its tag begins in the message.
    at: u32,
    text: Span,
    currency: [u8; 3],
    is_taken: Cell<bool>,
}

/// A piece of the message, or of the unescaped text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Span {
    start: u32,
    end: u32,
    is_unescaped: bool,
}

/// An element that is being read.
#[derive(Clone, Copy, Debug)]
struct Open {
    what: Level,
    /// Where its name stands in the message: what its end tag must say.
    name: Span,
    /// So many namespaces were bound before it.
    namespaces: usize,
    /// What a name without a prefix means in it.
    default: Namespace,
    /// Its rules in the profile, where it has some.
    rules: Option<RulesId>,
    /// The place of its last child in its type, how often that came, and its last child's node.
    place: u16,
    times: u16,
    last_child: u16,
}

/// What an open element is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    /// Around header and document; of any name.
    Envelope,
    /// `Document`, of the message with this place in the schema.
    Document(usize),
    /// An element of a message or of the header, by its node.
    Node(u16),
    /// Inside an element that holds whatever it likes, by the node of that.
    Foreign(u16),
}

/// A prefix and what it means.
#[derive(Clone, Copy, Debug)]
struct Binding {
    prefix: Span,
    namespace: Namespace,
}

/// What a namespace is to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Namespace {
    /// Of the message with this place in the schema.
    Message(usize),
    /// Of ISO 20022, and not of a message of the scheme: where its name stands in the message.
    UnknownMessage(Span),
    /// Whatever else.
    Other,
}

/// What the attributes of an element say.
struct Attributes {
    currency: Option<[u8; 3]>,
    /// What a name without a prefix means from here on.
    default: Namespace,
}

impl Decoder {
    /// Of messages as this profile has them.
    pub fn new(profile: &'static Profile) -> Decoder {
        assert!(profile.schema.messages()[HEADER_PLACE].name == HEADER, "a schema begins with the header");
        Decoder { profile, nodes: Vec::new(), unescaped: String::new(), open: Vec::new(), namespaces: Vec::new() }
    }

    /// The profile.
    pub fn profile(&self) -> &'static Profile {
        self.profile
    }

    /// Reads one message: a `Document`, or a header and a `Document` in an element of any name.
    pub fn decode<'d>(&'d mut self, message: &'d [u8]) -> Result<Document<'d>, Refusal> {
        self.clear();
        let source = text_of(message)?;
        let mut reading =
            Reading { decoder: self, source, header: None, body: None, is_partial: false, has_root: false };
        let read = reading.run();
        let (header, body) = (reading.header, reading.body);
        if let Err(mut refusal) = read {
            refusal.reference = self.reference(source);
            return Err(refusal);
        }
        match body {
            Some((place, body)) => Ok(Document { decoder: self, source, message: place, header, body }),
            None => Err(Refusal::whole(Cause::Envelope, "there is no Document in the message")),
        }
    }

    /// Reads what is left of a message of this name: the root element, from which elements may be missing anywhere. None where it is not that.
    pub(super) fn decode_rest<'d>(&'d mut self, name: &str, rest: &'d [u8]) -> Option<Document<'d>> {
        self.clear();
        let source = text_of(rest).ok()?;
        let place = self.profile.schema.messages().iter().position(|message| message.name == name)?;
        let mut reading =
            Reading { decoder: self, source, header: None, body: None, is_partial: true, has_root: false };
        reading.run().ok()?;
        let (found, body) = reading.body?;
        (found == place).then_some(Document { decoder: self, source, message: place, header: None, body })
    }

    fn clear(&mut self) {
        self.nodes.clear();
        self.unescaped.clear();
        self.open.clear();
        self.namespaces.clear();
    }

    /// The message's own id, as far as it was read: it is said again in an answer, so characters that the scheme does not have are shown as U+FFFD.
    fn reference(&self, source: &str) -> String {
        let schema = self.profile.schema;
        let named = |name: &str| {
            let node = self.nodes.iter().find(|node| schema.element(node.element).name == name)?;
            Some(self.text(source, node.text).trim()).filter(|text| !text.is_empty())
        };
        let found = named("BizMsgIdr").or_else(|| named("MsgId")).or_else(|| named("Id")).unwrap_or_default();
        found.chars().take(35).map(|c| if self.profile.has(c) { c } else { char::REPLACEMENT_CHARACTER }).collect()
    }

    fn text<'t>(&'t self, source: &'t str, span: Span) -> &'t str {
        let all = if span.is_unescaped { &self.unescaped } else { source };
        &all[span.start as usize..span.end as usize]
    }

    /// XPath of an element.
    fn path_of(&self, node: u16) -> String {
        let schema = self.profile.schema;
        let mut steps = Vec::new();
        let mut at = node;
        loop {
            let node = &self.nodes[usize::from(at)];
            let element = schema.element(node.element);
            steps.push(if element.max > 1 {
                format!("{}[{}]", element.name, node.occurrence + 1)
            } else {
                element.name.to_owned()
            });
            if node.parent == at {
                break;
            }
            at = node.parent;
        }
        steps.reverse();
        let root = if steps[0] == "AppHdr" { "/" } else { "/Document/" };
        format!("{root}{}", steps.join("/"))
    }
}

/// The message as text. XML allows other encodings; the scheme does not, so that nobody has to guess.
fn text_of(message: &[u8]) -> Result<&str, Refusal> {
    if message.len() > MESSAGE_BYTES_MAX {
        let text = format!(
            "the message has {} bytes; {MESSAGE_BYTES_MAX} is the most: send fewer transactions",
            message.len()
        );
        return Err(Refusal::whole(Cause::TooLarge, text));
    }
    if message.is_empty() {
        return Err(Refusal::whole(Cause::NotWellFormed, "the message is empty"));
    }
    if message.starts_with(&[0xEF, 0xBB, 0xBF]) {
        return Err(Refusal::whole(
            Cause::Encoding,
            "the message begins with a byte order mark: send UTF-8 without one",
        ));
    }
    if message.starts_with(&[0xFE, 0xFF])
        || message.starts_with(&[0xFF, 0xFE])
        || message[..2.min(message.len())].contains(&0)
    {
        return Err(Refusal::whole(Cause::Encoding, "the message is in UTF-16 or UTF-32: send UTF-8"));
    }
    let refused = |at: usize, text: &str| {
        let line = line_of(message, at);
        Refusal { line, ..Refusal::whole(Cause::Encoding, text) }
    };
    let source =
        std::str::from_utf8(message).map_err(|error| refused(error.valid_up_to(), "the message is not UTF-8 here"))?;
    // XML 1.0, 2.2. All bytes first, without a branch for each: there is next to never one. U+FFFE and U+FFFF begin with EF.
    let is_strange = |byte: u8| byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r') || byte == 0xEF;
    if !message.iter().fold(false, |found, &byte| found | is_strange(byte)) {
        return Ok(source);
    }
    let is_no_character = |c: char| c < ' ' && !matches!(c, '\t' | '\n' | '\r') || matches!(c, '\u{FFFE}' | '\u{FFFF}');
    match source.find(is_no_character) {
        Some(at) => {
            Err(refused(at, "a character stands here that XML does not have: a control character, or none at all"))
        }
        None => Ok(source),
    }
}

/// From 1.
fn line_of(message: &[u8], at: usize) -> usize {
    1 + message[..at.min(message.len())].iter().filter(|&&byte| byte == b'\n').count()
}

/// One message on its way into the tree.
struct Reading<'d> {
    decoder: &'d mut Decoder,
    source: &'d str,
    header: Option<u16>,
    body: Option<(usize, u16)>,
    /// Elements may be missing anywhere.
    is_partial: bool,
    has_root: bool,
}

impl<'d> Reading<'d> {
    /// From tag to tag. Tags that are a name and nothing else, and text without references, are nearly all that a message has: they are read here. Everything else is the library's, one event at
    /// a time.
    fn run(&mut self) -> Result<(), Refusal> {
        let source = self.source;
        let mut at = 0;
        while at < source.len() {
            at = match plain(source, at) {
                Plain::Start(name) => {
                    self.open(name, None, at)?;
                    at + name.len() + 2
                }
                Plain::End(name) => {
                    self.check_end(name, at)?;
                    self.close(at)?;
                    at + name.len() + 3
                }
                Plain::Text(text) => {
                    self.take_text(text, at, true)?;
                    at + text.len()
                }
                Plain::Other => self.take_event(at)?,
            };
        }
        self.check_complete(at)
    }

    /// Whatever begins here, by the library; gives where it ends.
    fn take_event(&mut self, at: usize) -> Result<usize, Refusal> {
        let mut reader = Reader::from_str(&self.source[at..]);
        // Names of end tags are compared here, where nothing is copied for it.
        reader.config_mut().check_end_names = false;
        reader.config_mut().allow_unmatched_ends = true;
        reader.config_mut().check_comments = true;
        let event = reader.read_event().map_err(|error| {
            let at = at + position(reader.error_position());
            self.refuse(Cause::NotWellFormed, at, format!("this is not XML: {error}"))
        })?;
        match event {
            Event::Start(tag) => self.open(tag.name().as_ref(), Some(&tag), at)?,
            Event::Empty(tag) => {
                self.open(tag.name().as_ref(), Some(&tag), at)?;
                self.close(at)?;
            }
            Event::End(tag) => {
                self.check_end(tag.name().as_ref(), at)?;
                self.close(at)?;
            }
            Event::Text(text) => self.take_text(&text, at, true)?,
            Event::CData(text) => self.take_text(&text, at, false)?,
            Event::GeneralRef(name) => self.take_reference(&name, at)?,
            Event::Comment(_) => {}
            Event::Decl(declaration) => self.check_declaration(&declaration, at)?,
            Event::PI(_) => {
                return Err(self.refuse(Cause::Forbidden, at, "a processing instruction stands here: leave it out"));
            }
            Event::DocType(_) => {
                return Err(self.refuse(Cause::Forbidden, at, "a document type stands here: leave it out"));
            }
            Event::Eof => return Err(self.refuse(Cause::NotWellFormed, at, "the message ends in the middle")),
        }
        Ok(at + position(reader.buffer_position()))
    }

    fn refuse(&self, cause: Cause, at: usize, text: impl Into<String>) -> Refusal {
        let path = match self.decoder.open.last().map(|open| open.what) {
            Some(Level::Node(node) | Level::Foreign(node)) => self.decoder.path_of(node),
            Some(Level::Document(_)) => "/Document".to_owned(),
            Some(Level::Envelope) | None => "/".to_owned(),
        };
        Refusal { cause, path, line: line_of(self.source.as_bytes(), at), text: text.into(), reference: String::new() }
    }

    fn check_declaration(&self, declaration: &BytesDecl<'_>, at: usize) -> Result<(), Refusal> {
        if at != 0 {
            return Err(self.refuse(Cause::NotWellFormed, at, "an XML declaration stands at the beginning or nowhere"));
        }
        let version = declaration.version().is_ok_and(|version| version.as_ref() == "1.0");
        let encoding = match declaration.encoding() {
            None => true,
            Some(encoding) => encoding.is_ok_and(|name| name.eq_ignore_ascii_case("utf-8")),
        };
        if !version {
            return Err(self.refuse(Cause::NotWellFormed, at, "the XML declaration must say version 1.0"));
        }
        if !encoding {
            return Err(self.refuse(
                Cause::Encoding,
                at,
                "the XML declaration says another encoding: send UTF-8, and say so",
            ));
        }
        Ok(())
    }

    fn check_complete(&self, at: usize) -> Result<(), Refusal> {
        match self.decoder.open.last() {
            Some(_) => {
                Err(self.refuse(Cause::NotWellFormed, at, "the message ends in the middle: an element is not closed"))
            }
            None if !self.has_root => Err(self.refuse(Cause::NotWellFormed, at, "the message has no element")),
            None => Ok(()),
        }
    }

    /// A start tag.
    fn open(&mut self, qualified: &str, tag: Option<&BytesStart<'_>>, at: usize) -> Result<(), Refusal> {
        if self.decoder.open.len() >= DEPTH_MAX {
            return Err(self.refuse(
                Cause::TooLarge,
                at,
                format!("elements are nested deeper than {DEPTH_MAX}, as no message is"),
            ));
        }
        if self.decoder.open.is_empty() && self.has_root {
            return Err(self.refuse(
                Cause::NotWellFormed,
                at,
                "a second document begins here: send one message at a time",
            ));
        }
        self.has_root = true;
        let namespaces = self.decoder.namespaces.len();
        let inherited = self.decoder.open.last().map_or(Namespace::Other, |open| open.default);
        let (attributes, prefix, local) = match tag {
            None => (Attributes { currency: None, default: inherited }, "", qualified),
            Some(tag) => {
                let (prefix, local) = match qualified.bytes().position(|byte| byte == b':') {
                    Some(colon) => (&qualified[..colon], &qualified[colon + 1..]),
                    None => ("", qualified),
                };
                (self.take_attributes(tag, inherited, at)?, prefix, local)
            }
        };
        let Attributes { currency, default } = attributes;
        let namespace = if prefix.is_empty() { default } else { self.namespace_of(prefix, at)? };
        let (what, name) = (Level::Envelope, self.span_of(qualified));
        let opened = Open { what, name, namespaces, default, rules: None, place: 0, times: 0, last_child: 0 };
        let opened = match self.decoder.open.last().map(|open| open.what) {
            Some(Level::Node(parent)) => self.open_child(parent, local, namespace, opened, at)?,
            Some(Level::Foreign(node)) => self.open_foreign(node, opened, local, at)?,
            Some(Level::Document(message)) => self.open_body(message, local, namespace, opened, at)?,
            Some(Level::Envelope) => self.open_in_envelope(local, namespace, opened, at)?,
            None => self.open_root(local, namespace, opened, at)?,
        };
        self.decoder.open.push(opened);
        self.check_currency(opened.what, currency, at)
    }

    /// Binds namespaces; gives the currency, and refuses what else there is.
    fn take_attributes(
        &mut self,
        tag: &BytesStart<'_>,
        inherited: Namespace,
        at: usize,
    ) -> Result<Attributes, Refusal> {
        let mut taken = Attributes { currency: None, default: inherited };
        if tag.attributes_raw().is_empty() {
            return Ok(taken);
        }
        let is_foreign = matches!(self.decoder.open.last(), Some(Open { what: Level::Foreign(_), .. }))
            || matches!(self.decoder.open.last(), Some(&Open { what: Level::Node(node), .. }) if self.is_any(node));
        for (count, attribute) in tag.attributes().with_checks(true).enumerate() {
            if count >= ATTRIBUTES_MAX {
                return Err(self.refuse(
                    Cause::TooLarge,
                    at,
                    format!("an element has more than {ATTRIBUTES_MAX} attributes"),
                ));
            }
            let attribute = attribute
                .map_err(|error| self.refuse(Cause::NotWellFormed, at, format!("this is not XML: {error}")))?;
            let (name, value) = (attribute.key.as_ref(), attribute.value.as_ref());
            if value.contains('<') {
                return Err(self.refuse(Cause::NotWellFormed, at, "an attribute's value must not contain <"));
            }
            if name == "xmlns" {
                taken.default = self.namespace_named(value);
            } else if let Some(prefix) = name.strip_prefix("xmlns:") {
                self.bind(prefix, value, at)?;
            } else if name == "Ccy" && !is_foreign {
                let letters = <[u8; 3]>::try_from(value.as_bytes())
                    .ok()
                    .filter(|letters| letters.iter().all(u8::is_ascii_uppercase));
                let wrong = || self.refuse(Cause::Currency, at, "Ccy must be three capital letters, as EUR");
                taken.currency = Some(letters.ok_or_else(wrong)?);
            } else if let Some((prefix, _)) = name.split_once(':').filter(|&(prefix, _)| prefix != "xml") {
                self.namespace_of(prefix, at)?;
            } else if !is_foreign {
                let text = format!("the attribute {} is not part of this element", shown(name));
                return Err(self.refuse(Cause::Structure, at, text));
            }
        }
        Ok(taken)
    }

    fn bind(&mut self, prefix: &str, value: &str, at: usize) -> Result<(), Refusal> {
        if self.decoder.namespaces.len() >= NAMESPACES_MAX {
            let text = format!("more than {NAMESPACES_MAX} prefixes are declared at one place");
            return Err(self.refuse(Cause::TooLarge, at, text));
        }
        let (prefix, namespace) = (self.span_of(prefix), self.namespace_named(value));
        self.decoder.namespaces.push(Binding { prefix, namespace });
        Ok(())
    }

    fn namespace_named(&self, value: &str) -> Namespace {
        let Some(name) = value.strip_prefix(NAMESPACE) else { return Namespace::Other };
        let messages = self.decoder.profile.schema.messages();
        match messages.iter().position(|message| message.name == name) {
            Some(place) if self.decoder.profile.of_message(place).is_some() => Namespace::Message(place),
            _ => Namespace::UnknownMessage(self.span_of(name)),
        }
    }

    /// What a prefix means. In an element of anybody it must have been declared in there: what is carried stands elsewhere later.
    fn namespace_of(&self, prefix: &str, at: usize) -> Result<Namespace, Refusal> {
        let is_it = |binding: &Binding| self.decoder.text(self.source, binding.prefix) == prefix;
        let Some(place) = self.decoder.namespaces.iter().rposition(is_it) else {
            return Err(self.refuse(Cause::NotWellFormed, at, format!("the prefix {} is not declared", shown(prefix))));
        };
        let around = self.decoder.open.iter().rfind(|open| matches!(open.what, Level::Node(_)));
        let is_foreign = matches!(around, Some(&Open { what: Level::Node(node), .. }) if self.is_any(node));
        if is_foreign && around.is_some_and(|around| place < around.namespaces) {
            let text = format!("the prefix {} is declared outside of this element: declare it inside", shown(prefix));
            return Err(self.refuse(Cause::Profile, at, text));
        }
        Ok(self.decoder.namespaces[place].namespace)
    }

    /// The outermost element.
    fn open_root(&mut self, local: &str, namespace: Namespace, opened: Open, at: usize) -> Result<Open, Refusal> {
        if self.is_partial {
            let Namespace::Message(message) = namespace else {
                return Err(self.refuse(Cause::UnknownMessage, at, "this is no message"));
            };
            return self.open_body(message, local, namespace, opened, at);
        }
        match local {
            "Document" => self.open_document(namespace, opened, at),
            _ => Ok(opened),
        }
    }

    fn open_document(&mut self, namespace: Namespace, opened: Open, at: usize) -> Result<Open, Refusal> {
        match namespace {
            Namespace::Message(place) if place != HEADER_PLACE => Ok(Open { what: Level::Document(place), ..opened }),
            Namespace::UnknownMessage(name) => {
                let name = self.decoder.text(self.source, name);
                let text =
                    format!("the scheme has no message {}: see its profile for messages and versions", shown(name));
                Err(self.refuse(Cause::UnknownMessage, at, text))
            }
            _ => Err(self.refuse(
                Cause::UnknownMessage,
                at,
                format!("Document must have a namespace of a message: {NAMESPACE}..."),
            )),
        }
    }

    /// A header, and behind it the document.
    fn open_in_envelope(
        &mut self,
        local: &str,
        namespace: Namespace,
        opened: Open,
        at: usize,
    ) -> Result<Open, Refusal> {
        match local {
            "AppHdr" if self.header.is_none() && self.body.is_none() => match namespace {
                Namespace::Message(place) if place == HEADER_PLACE => {
                    let (definition, rules) = self.message(place);
                    let node = self.add_node(definition.root, None, 0, 0, at)?;
                    self.header = Some(node);
                    Ok(Open { what: Level::Node(node), rules, ..opened })
                }
                _ => Err(self.refuse(
                    Cause::UnknownMessage,
                    at,
                    format!("AppHdr must have the namespace {NAMESPACE}{HEADER}"),
                )),
            },
            "Document" if self.body.is_none() => self.open_document(namespace, opened, at),
            "Document" => {
                Err(self.refuse(Cause::Envelope, at, "a second Document begins here: send one message at a time"))
            }
            _ => {
                let text =
                    format!("{} does not belong here: an envelope has an AppHdr and then a Document", shown(local));
                Err(self.refuse(Cause::Envelope, at, text))
            }
        }
    }

    /// The root element of a message.
    fn open_body(
        &mut self,
        message: usize,
        local: &str,
        namespace: Namespace,
        opened: Open,
        at: usize,
    ) -> Result<Open, Refusal> {
        let (definition, rules) = self.message(message);
        let name = self.decoder.profile.schema.element(definition.root).name;
        if local != name || namespace != Namespace::Message(message) || self.body.is_some() {
            let text =
                format!("{} does not belong here: a Document of {} has one {name}", shown(local), definition.name);
            return Err(self.refuse(Cause::Structure, at, text));
        }
        let node = self.add_node(definition.root, None, 0, 0, at)?;
        self.body = Some((message, node));
        Ok(Open { what: Level::Node(node), rules, ..opened })
    }

    fn message(&self, place: usize) -> (&'static Definition, Option<RulesId>) {
        (&self.decoder.profile.schema.messages()[place], self.decoder.profile.of_message(place))
    }

    /// An element of a message: is it one that may stand here?
    fn open_child(
        &mut self,
        parent: u16,
        local: &str,
        namespace: Namespace,
        opened: Open,
        at: usize,
    ) -> Result<Open, Refusal> {
        let schema = self.decoder.profile.schema;
        let group = match schema.type_of(self.decoder.nodes[usize::from(parent)].element) {
            Type::Group(group) => *group,
            Type::Text(Form::Any) => return self.open_foreign(parent, opened, local, at),
            Type::Text(_) => {
                return Err(self.refuse(
                    self.cause_of(local),
                    at,
                    format!("{} does not belong here: a text is expected", shown(local)),
                ));
            }
        };
        let above = *self.decoder.open.last().expect("a child has a parent");
        if self.namespace_of_message(above) != namespace {
            return Err(self.refuse(
                Cause::Structure,
                at,
                format!("{} has another namespace than the message", shown(local)),
            ));
        }
        let Some((place, element)) = schema.find(group, local, above.place) else {
            let text = format!("{} is no element of {}", shown(local), self.name_of(parent));
            return Err(self.refuse_child(self.cause_of(local), parent, local, at, text));
        };
        let times = if above.times > 0 && place == above.place { above.times + 1 } else { 1 };
        self.check_place(parent, group, above, place, times, at)?;
        let rules = above.rules.and_then(|rules| self.decoder.profile.below(rules, place));
        if let Some(rules) = rules.map(|rules| self.decoder.profile.rules(rules)).filter(|_| !self.is_partial) {
            if let Some(why) = rules.refused {
                let text = format!("the scheme does not allow {}: {why}", shown(local));
                return Err(self.refuse_child(Cause::Profile, parent, local, at, text));
            }
            if rules.max.is_some_and(|max| times > max) {
                let text = format!("the scheme allows at most {} of {} here", times - 1, shown(local));
                return Err(self.refuse_child(Cause::Profile, parent, local, at, text));
            }
        }
        let node = self.add_node(element, Some(parent), place, times - 1, at)?;
        Ok(Open { what: Level::Node(node), rules, ..opened })
    }

    /// The namespace of the message, or of the header, that an element belongs to.
    fn namespace_of_message(&self, open: Open) -> Namespace {
        let Level::Node(node) = open.what else { return Namespace::Other };
        match self.body {
            Some((place, body)) if node >= body => Namespace::Message(place),
            _ => Namespace::Message(HEADER_PLACE),
        }
    }

    /// Order, number and choice of the elements of one parent.
    fn check_place(
        &self,
        parent: u16,
        group: Group,
        above: Open,
        place: u16,
        times: u16,
        at: usize,
    ) -> Result<(), Refusal> {
        let members = self.decoder.profile.schema.members(group);
        let member = &members[usize::from(place)];
        let has_child = above.times > 0;
        if times > member.max && member.max != UNBOUNDED {
            let text = format!("{} may stand here {} at most", member.name, times_shown(member.max));
            return Err(self.refuse_child(Cause::Structure, parent, member.name, at, text));
        }
        if has_child && place < above.place {
            let text = format!(
                "{} stands behind {}, and belongs before it",
                member.name,
                members[usize::from(above.place)].name
            );
            return Err(self.refuse_child(Cause::Structure, parent, member.name, at, text));
        }
        if self.is_partial || has_child && place == above.place {
            return Ok(());
        }
        if group.is_choice {
            let text = format!(
                "{} stands beside {}: only one of them may",
                member.name,
                members[usize::from(above.place)].name
            );
            return if has_child {
                Err(self.refuse_child(Cause::Structure, parent, member.name, at, text))
            } else {
                Ok(())
            };
        }
        let passed = if has_child { above.place + 1 } else { 0 }..place;
        self.check_enough(parent, group, above, passed, at)
    }

    /// Were those that came last enough, and is none of those missing that were passed by?
    fn check_enough(
        &self,
        parent: u16,
        group: Group,
        above: Open,
        passed: std::ops::Range<u16>,
        at: usize,
    ) -> Result<(), Refusal> {
        let members = self.decoder.profile.schema.members(group);
        let last = &members[usize::from(above.place)];
        if above.times > 0 && above.times < last.min {
            let text = format!("{} must stand here {} at least", last.name, times_shown(last.min));
            return Err(self.refuse_child(Cause::Structure, parent, last.name, at, text));
        }
        match self.decoder.profile.schema.required_within(group, passed) {
            Some(missing) => {
                let text = format!("{} is missing in {}", missing.name, self.name_of(parent));
                Err(self.refuse_child(Cause::Structure, parent, missing.name, at, text))
            }
            None => Ok(()),
        }
    }

    fn refuse_child(&self, cause: Cause, parent: u16, local: &str, at: usize, text: impl Into<String>) -> Refusal {
        let path = format!("{}/{}", self.decoder.path_of(parent), shown(local));
        Refusal { path, ..self.refuse(cause, at, text) }
    }

    fn name_of(&self, node: u16) -> &'static str {
        self.decoder.profile.schema.element(self.decoder.nodes[usize::from(node)].element).name
    }

    fn is_any(&self, node: u16) -> bool {
        self.kind_of(node) == Kind::Any
    }

    fn kind_of(&self, node: u16) -> Kind {
        self.decoder.profile.schema.kind_of(self.decoder.nodes[usize::from(node)].element)
    }

    /// Of an element that does not belong where it stands: it may be no element at all.
    fn cause_of(&self, local: &str) -> Cause {
        if is_name(local) { Cause::Structure } else { Cause::NotWellFormed }
    }

    /// Whatever stands in an element of anybody: it must be XML, and that is all.
    fn open_foreign(&self, node: u16, opened: Open, local: &str, at: usize) -> Result<Open, Refusal> {
        if !is_name(local) {
            return Err(self.refuse(Cause::NotWellFormed, at, format!("{} is no name of an element", shown(local))));
        }
        Ok(Open { what: Level::Foreign(node), ..opened })
    }

    fn add_node(
        &mut self,
        element: ElementId,
        parent: Option<u16>,
        place: u16,
        occurrence: u16,
        at: usize,
    ) -> Result<u16, Refusal> {
        let count = self.decoder.nodes.len();
        if count >= ELEMENTS_MAX {
            return Err(self.refuse(Cause::TooLarge, at, format!("the message has more than {ELEMENTS_MAX} elements")));
        }
        let node = u16::try_from(count).expect("ELEMENTS_MAX is below 65,536");
        if let Some(parent) = parent {
            let above = self.decoder.open.last_mut().expect("a child has an open parent");
            match above.times {
                0 => self.decoder.nodes[usize::from(parent)].first_child = node,
                _ => self.decoder.nodes[usize::from(above.last_child)].next = node,
            }
            (above.place, above.times, above.last_child) = (place, occurrence + 1, node);
        }
        self.decoder.nodes.push(Node {
            element,
            parent: parent.unwrap_or(node),
            next: node,
            first_child: 0,
            occurrence,
            place,
            at: u32_of(at),
            text: Span::default(),
            currency: [0; 3],
            is_taken: Cell::new(false),
        });
        Ok(node)
    }

    /// Amounts have a currency, and nothing else has.
    fn check_currency(&mut self, what: Level, currency: Option<[u8; 3]>, at: usize) -> Result<(), Refusal> {
        let Level::Node(node) = what else { return Ok(()) };
        let is_amount = self.kind_of(node) == Kind::Amount;
        match currency {
            Some(currency) if is_amount => {
                self.decoder.nodes[usize::from(node)].currency = currency;
                Ok(())
            }
            None if !is_amount => Ok(()),
            Some(_) => Err(self.refuse(Cause::Structure, at, "the attribute Ccy is not part of this element")),
            None => Err(self.refuse(Cause::Structure, at, "the attribute Ccy is missing: an amount has a currency")),
        }
    }

    fn check_end(&self, name: &str, at: usize) -> Result<(), Refusal> {
        match self.decoder.open.last() {
            Some(open) if self.is_name(open.name, name) || self.is_name(open.name, name.trim_ascii_end()) => Ok(()),
            Some(_) => {
                Err(self.refuse(Cause::NotWellFormed, at, format!("</{}> closes what is not open", shown(name))))
            }
            None => {
                Err(self.refuse(Cause::NotWellFormed, at, format!("</{}> closes what was never open", shown(name))))
            }
        }
    }

    #[inline]
    fn is_name(&self, span: Span, name: &str) -> bool {
        let (start, end) = (span.start as usize, span.end as usize);
        end - start == name.len() && self.source.as_bytes()[start..end] == *name.as_bytes()
    }

    /// The end of an element: is it complete?
    fn close(&mut self, at: usize) -> Result<(), Refusal> {
        let open = *self.decoder.open.last().expect("an end tag was compared with its start tag");
        match open.what {
            Level::Node(node) => {
                let element = self.decoder.nodes[usize::from(node)].element;
                match self.decoder.profile.schema.type_of(element) {
                    Type::Group(group) => self.check_group(node, *group, open, at)?,
                    Type::Text(Form::Any) => self.keep_foreign(node, at),
                    Type::Text(form) => self.check_text(node, form, open, at)?,
                }
            }
            Level::Document(message) if self.body.is_none() => {
                let text = format!("Document is empty: it must have a {}", self.message(message).0.name);
                return Err(self.refuse(Cause::Structure, at, text));
            }
            Level::Document(_) | Level::Envelope | Level::Foreign(_) => {}
        }
        self.decoder.open.pop();
        self.decoder.namespaces.truncate(open.namespaces);
        Ok(())
    }

    fn check_group(&self, node: u16, group: Group, open: Open, at: usize) -> Result<(), Refusal> {
        if self.is_partial {
            return Ok(());
        }
        if group.is_choice && open.times == 0 {
            return Err(self.refuse(Cause::Structure, at, format!("{} is empty", self.name_of(node))));
        }
        let passed = match (group.is_choice, open.times) {
            (true, _) => 0..0,
            (false, 0) => 0..group.count(),
            (false, _) => open.place + 1..group.count(),
        };
        self.check_enough(node, group, open, passed, at)?;
        let Some(rules) = open.rules.map(|rules| self.decoder.profile.rules(rules)) else { return Ok(()) };
        for &required in &rules.required {
            let parent = NodeRef { decoder: self.decoder, source: self.source, index: node };
            if !parent.children().any(|child| child.node().place == required) {
                let name = self.decoder.profile.schema.members(group)[usize::from(required)].name;
                let text = format!("{name} is missing in {}: the scheme needs it", self.name_of(node));
                return Err(self.refuse_child(Cause::Profile, node, name, at, text));
            }
        }
        Ok(())
    }

    fn check_text(&self, node: u16, form: &Form, open: Open, at: usize) -> Result<(), Refusal> {
        let profile = self.decoder.profile;
        let Node { element, text, .. } = self.decoder.nodes[usize::from(node)];
        let text = self.decoder.text(self.source, text);
        if self.is_partial && text.is_empty() {
            return Ok(());
        }
        let name = || self.name_of(node);
        // A time is read once, for its form and its zone.
        let (time, is_held) = match form {
            Form::DateTime => {
                let time = super::time::DateTime::parse(super::form::trim(text));
                (time, time.is_some())
            }
            _ => (None, form.holds(text)),
        };
        if !is_held {
            return Err(self.refuse(Cause::Value, at, format!("{} must be {form}", name())));
        }
        if matches!(form, Form::Text { .. })
            && !text.bytes().all(|byte| (0x20..0x7F).contains(&byte))
            && let Some(character) = profile.foreign_character(text)
        {
            let text =
                format!("{} has the character U+{:04X}, which the scheme does not allow", name(), u32::from(character));
            return Err(self.refuse(Cause::Profile, at, text));
        }
        if self.is_partial {
            return Ok(());
        }
        if let Some(fault) = profile.fault_of(element, text) {
            return Err(self.refuse(Cause::Checksum, at, format!("{}: {fault}", name())));
        }
        if profile.needs_zone && time.is_some_and(|time| !time.has_zone()) {
            return Err(self.refuse(
                Cause::TimeZone,
                at,
                format!("{} must say its zone, as 2026-11-23T09:30:00.000Z", name()),
            ));
        }
        match open.rules.map(|rules| profile.rules(rules)) {
            Some(rules) if !rules.only.is_empty() && !rules.only.contains(&text) => {
                let codes = match rules.only.len() {
                    count if count > 12 => format!("one of the {count} codes that the profile lists"),
                    _ => format!("one of {}", rules.only.join(" ")),
                };
                let text = format!("{} must be {codes}", name());
                Err(self.refuse(Cause::Profile, at, text))
            }
            _ => Ok(()),
        }
    }

    /// All that stands between the tags.
    fn keep_foreign(&mut self, node: u16, at: usize) {
        // Behind the start tag; an empty element has only that.
        let start = open_end(self.source, self.decoder.nodes[usize::from(node)].at as usize);
        self.decoder.nodes[usize::from(node)].text =
            Span { start: u32_of(start), end: u32_of(at.max(start)), is_unescaped: false };
    }

    /// Text between tags, which may still have carriage returns in it, and comes in pieces where there are references or comments.
    fn take_text(&mut self, text: &str, at: usize, may_be_space: bool) -> Result<(), Refusal> {
        let is_space = || text.bytes().all(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
        match self.decoder.open.last().map(|open| open.what) {
            Some(Level::Node(node)) if self.holds_text(node) => {
                if may_be_space && text.bytes().any(|byte| byte == b'>') && text.contains("]]>") {
                    return Err(self.refuse(Cause::NotWellFormed, at, "]]> must not stand in text"));
                }
                let span = self.span_of(text);
                self.append(node, span, text.bytes().any(|byte| byte == b'\r'));
                Ok(())
            }
            Some(Level::Foreign(_)) => Ok(()),
            Some(Level::Node(node)) if self.is_any(node) => Ok(()),
            _ if may_be_space && is_space() => Ok(()),
            Some(_) => {
                let first = at + (text.len() - text.trim_start().len());
                Err(self.refuse(Cause::Structure, first, "text stands where elements are expected"))
            }
            None => Err(self.refuse(Cause::NotWellFormed, at, "text stands outside of the document")),
        }
    }

    fn holds_text(&self, node: u16) -> bool {
        matches!(self.kind_of(node), Kind::Text | Kind::Amount)
    }

    /// More of an element's text. XML 1.0, 2.11: the end of a line is one line feed.
    fn append(&mut self, node: u16, more: Span, has_returns: bool) {
        let before = self.decoder.nodes[usize::from(node)].text;
        if before.start == before.end && !has_returns {
            self.decoder.nodes[usize::from(node)].text = more;
            return;
        }
        self.unescape(node);
        let more = &self.source[more.start as usize..more.end as usize];
        match has_returns {
            true => self.decoder.unescaped.push_str(&more.replace("\r\n", "\n").replace('\r', "\n")),
            false => self.decoder.unescaped.push_str(more),
        }
        self.decoder.nodes[usize::from(node)].text.end = u32_of(self.decoder.unescaped.len());
    }

    /// Makes the text of the element that is being read one that can grow.
    fn unescape(&mut self, node: u16) {
        let span = self.decoder.nodes[usize::from(node)].text;
        if !span.is_unescaped {
            let start = u32_of(self.decoder.unescaped.len());
            self.decoder.unescaped.push_str(&self.source[span.start as usize..span.end as usize]);
            let end = u32_of(self.decoder.unescaped.len());
            self.decoder.nodes[usize::from(node)].text = Span { start, end, is_unescaped: true };
        }
    }

    /// `&amp;` and its like, and characters by number.
    fn take_reference(&mut self, name: &quick_xml::events::BytesRef<'_>, at: usize) -> Result<(), Refusal> {
        let character = match &name[..] {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            _ => {
                let number = name.resolve_char_ref().ok().flatten();
                // XML 1.0, 2.2: which characters there are.
                let is_character = |&c: &char| matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{FFFD}' | '\u{10000}'..);
                match number.filter(is_character) {
                    Some(character) => character,
                    None => {
                        let text = format!(
                            "&{}; is no character: only amp, lt, gt, quot, apos and characters by number are known",
                            shown(name)
                        );
                        return Err(self.refuse(Cause::Forbidden, at, text));
                    }
                }
            }
        };
        match self.decoder.open.last().map(|open| open.what) {
            Some(Level::Node(node)) if self.holds_text(node) => {
                self.unescape(node);
                self.decoder.unescaped.push(character);
                self.decoder.nodes[usize::from(node)].text.end = u32_of(self.decoder.unescaped.len());
                Ok(())
            }
            Some(Level::Foreign(_)) => Ok(()),
            _ => Err(self.refuse(Cause::Structure, at, "text stands where elements are expected")),
        }
    }

    /// Where a piece of the message stands in it.
    fn span_of(&self, piece: &str) -> Span {
        let start = piece.as_ptr().addr().wrapping_sub(self.source.as_ptr().addr());
        debug_assert!(piece.is_empty() || start + piece.len() <= self.source.len(), "a piece of the message");
        let start = if piece.is_empty() { 0 } else { start };
        Span { start: u32_of(start), end: u32_of(start + piece.len()), is_unescaped: false }
    }
}

/// What stands at a place of a message.
enum Plain<'d> {
    /// A start tag of this name, which has no prefix, without attributes.
    Start(&'d str),
    /// An end tag of this name.
    End(&'d str),
    /// Text, up to a tag or a reference.
    Text(&'d str),
    /// Whatever else.
    Other,
}

/// What stands at a place of a message, before its end.
fn plain(source: &str, at: usize) -> Plain<'_> {
    let bytes = &source.as_bytes()[at..];
    // The end of a name of ASCII letters and digits that a `>` follows.
    let name_end = |from: usize| {
        let end = from + bytes[from..].iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
        (end > from && bytes.get(end) == Some(&b'>')).then_some(at + end)
    };
    match bytes {
        [b'<', b'/', ..] => name_end(2).map_or(Plain::Other, |end| Plain::End(&source[at + 2..end])),
        [b'<', ..] => name_end(1).map_or(Plain::Other, |end| Plain::Start(&source[at + 1..end])),
        [b'&', ..] => Plain::Other,
        _ => {
            let length = bytes.iter().take_while(|byte| !matches!(byte, b'<' | b'&')).count();
            Plain::Text(&source[at..at + length])
        }
    }
}

/// Where the tag that begins at a place ends. An attribute's value may contain a `>`.
fn open_end(source: &str, at: usize) -> usize {
    let mut quote = None;
    for (offset, byte) in source.as_bytes()[at..].iter().enumerate() {
        match (quote, byte) {
            (None, b'>') => return at + offset + 1,
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), _) if open == byte => quote = None,
            _ => {}
        }
    }
    source.len()
}

/// XML 1.0, 2.3, as far as ASCII goes.
fn is_name(name: &str) -> bool {
    let is_start = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80;
    let is_rest = |byte: u8| is_start(byte) || byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
    name.bytes().next().is_some_and(is_start) && name.bytes().all(is_rest)
}

/// Below `MESSAGE_BYTES_MAX`.
fn u32_of(number: usize) -> u32 {
    u32::try_from(number).expect("a message is shorter than 4 GiB")
}

fn position(at: u64) -> usize {
    usize::try_from(at).unwrap_or(usize::MAX)
}

fn times_shown(times: u16) -> String {
    if times == 1 { "once".to_owned() } else { format!("{times} times") }
}

/// A name from the message, for a person to read: short, and nothing but what names are made of.
fn shown(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '#');
    name.chars().take(40).map(|c| if is_plain(c) { c } else { '?' }).collect()
}

/// A message that was read.
#[derive(Debug)]
pub struct Document<'d> {
    decoder: &'d Decoder,
    source: &'d str,
    message: usize,
    header: Option<u16>,
    body: u16,
}

impl<'d> Document<'d> {
    /// Which message it is.
    pub fn definition(&self) -> &'static Definition {
        &self.decoder.profile.schema.messages()[self.message]
    }

    /// The message's own id: `BizMsgIdr`, else `MsgId`, else the `Id` of its assignment.
    pub fn reference(&self) -> String {
        self.decoder.reference(self.source)
    }

    /// The profile that it was read by.
    pub fn profile(&self) -> &'static Profile {
        self.decoder.profile
    }

    /// Its root element, below `Document`.
    pub fn body(&self) -> NodeRef<'_> {
        NodeRef { decoder: self.decoder, source: self.source, index: self.body }
    }

    /// The element at this place in the tree: what `NodeRef::index` said.
    pub(super) fn node(&self, index: u16) -> NodeRef<'_> {
        NodeRef { decoder: self.decoder, source: self.source, index }
    }

    /// Its header.
    pub fn header(&self) -> Option<NodeRef<'_>> {
        self.header.map(|index| NodeRef { decoder: self.decoder, source: self.source, index })
    }
}

/// An element of a message that was read.
#[derive(Clone, Copy)]
pub struct NodeRef<'d> {
    decoder: &'d Decoder,
    source: &'d str,
    index: u16,
}

impl<'d> NodeRef<'d> {
    fn node(self) -> &'d Node {
        &self.decoder.nodes[usize::from(self.index)]
    }

    fn at(self, index: u16) -> NodeRef<'d> {
        NodeRef { index, ..self }
    }

    /// Its place in the tree.
    pub(super) fn index(self) -> u16 {
        self.index
    }

    /// What it is in the schema.
    pub fn element(self) -> ElementId {
        self.node().element
    }

    /// Place among the members of its parent's type.
    pub(super) fn place(self) -> u16 {
        self.node().place
    }

    /// Of its parent's children with this name, from 0.
    pub(super) fn occurrence(self) -> u16 {
        self.node().occurrence
    }

    /// Its tag.
    pub fn name(self) -> &'static str {
        self.schema().element(self.element()).name
    }

    /// Does it say something even where it is empty? Of elements that may come several times, and need not come, an empty one only keeps a place.
    pub(super) fn counts_empty(self) -> bool {
        let element = self.schema().element(self.element());
        element.max == 1 || element.min > 0
    }

    /// What it holds, by the schema.
    pub(super) fn schema_type(self) -> &'static Type {
        self.schema().type_of(self.element())
    }

    pub(super) fn is(self, other: NodeRef<'_>) -> bool {
        self.index == other.index
    }

    /// The child of it in which another element stands, or which that is.
    pub(super) fn child_towards(self, descendant: NodeRef<'d>) -> Option<NodeRef<'d>> {
        let mut node = descendant;
        while node.node().parent != node.index {
            if node.node().parent == self.index {
                return Some(node);
            }
            node = node.at(node.node().parent);
        }
        None
    }

    /// Its first child of this name, which the schema requires.
    ///
    /// # Panics
    /// Where the schema does not.
    pub(super) fn the(self, name: &'static str) -> NodeRef<'d> {
        self.child(name).unwrap_or_else(|| panic!("{} always has a {name}", self.name()))
    }

    fn schema(self) -> &'static Schema {
        self.decoder.profile.schema
    }

    /// What it holds, in order.
    pub fn children(self) -> Children<'d> {
        Children { next: self.first_child() }
    }

    pub(super) fn first_child(self) -> Option<NodeRef<'d>> {
        (self.node().first_child != 0).then(|| self.at(self.node().first_child))
    }

    /// The next child of the same parent.
    pub(super) fn next(self) -> Option<NodeRef<'d>> {
        (self.node().next != self.index).then(|| self.at(self.node().next))
    }

    /// Its children of this name.
    #[inline]
    pub fn all(self, name: &'static str) -> impl Iterator<Item = NodeRef<'d>> {
        let key = Key::of(name);
        self.children().filter(move |child| child.schema().is_named(child.element(), name, key))
    }

    /// Its first child of this name.
    #[inline]
    pub fn child(self, name: &'static str) -> Option<NodeRef<'d>> {
        self.all(name).next()
    }

    /// The first element at the end of a path of names.
    pub fn find(self, path: &[&'static str]) -> Option<NodeRef<'d>> {
        path.iter().try_fold(self, |node, name| node.child(name))
    }

    /// Its text; empty where it holds elements.
    pub fn text(self) -> &'d str {
        self.decoder.text(self.source, self.node().text)
    }

    /// Its text, which is thereby used. Of what holds elements only that it is there.
    pub fn take(self) -> &'d str {
        self.node().is_taken.set(true);
        self.text()
    }

    /// All below it is used, or means nothing to anybody but the receiver of this very message.
    pub fn take_all(self) {
        self.node().is_taken.set(true);
        self.children().for_each(NodeRef::take_all);
    }

    /// Of an amount: its currency, three capital letters.
    pub fn currency(self) -> [u8; 3] {
        self.node().currency
    }

    /// Is there anything in it that nobody took?
    pub(super) fn has_rest(self) -> bool {
        match self.first_child() {
            Some(_) => self.children().any(NodeRef::has_rest),
            None => !self.node().is_taken.get() && (self.counts_empty() || !self.text().is_empty()),
        }
    }

    /// What is wrong with it.
    pub fn refuse(self, cause: Cause, text: impl Into<String>) -> Refusal {
        Refusal {
            cause,
            path: self.decoder.path_of(self.index),
            line: line_of(self.source.as_bytes(), self.node().at as usize),
            text: text.into(),
            reference: self.decoder.reference(self.source),
        }
    }
}

/// The children of an element.
pub struct Children<'d> {
    next: Option<NodeRef<'d>>,
}

impl<'d> Iterator for Children<'d> {
    type Item = NodeRef<'d>;

    fn next(&mut self) -> Option<NodeRef<'d>> {
        let child = self.next?;
        self.next = child.next();
        Some(child)
    }
}
