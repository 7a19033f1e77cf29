//! The structure of ISO 20022 messages, as data: which elements there are, in which order, how many, and what their text may be.
//!
//! The data is `2019.schema`, written by `from_xsd.py` beside it from the published schemas; what its notation means stands at its top. Another line of versions is
//! another such file. Read once, when the first message comes. It says what ISO 20022 allows; what the scheme allows of that is the `profile`'s to say.

use std::collections::HashMap;
use std::sync::OnceLock;

use super::form::Form;

/// Where the published schemas put their elements: this, and the message's name.
pub const NAMESPACE: &str = "urn:iso:std:iso:20022:tech:xsd:";

/// All messages of one line of versions.
#[derive(Debug)]
pub struct Schema {
    messages: Vec<Definition>,
    types: Vec<Type>,
    elements: Vec<Element>,
    /// Of each element its name as a number: side by side, because they are looked through for every element that is read.
    keys: Vec<Key>,
    /// Of each element what it holds, in short.
    kinds: Vec<Kind>,
    /// Of each element the place of the first one from there on, among the members of its parent's type, that must be there.
    next_required: Vec<u16>,
}

/// One message.
#[derive(Debug)]
pub struct Definition {
    /// As in `pacs.008.001.08`.
    pub name: &'static str,
    /// The element below `Document`.
    pub root: ElementId,
}

/// What an element holds.
#[derive(Debug)]
pub enum Type {
    /// Elements.
    Group(Group),
    /// Text of this form.
    Text(Form),
}

/// What an element holds, in short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Elements of the schema.
    Group,
    /// Elements of anybody.
    Any,
    /// An amount, which has a currency.
    Amount,
    /// Other text.
    Text,
}

/// A name as a number: its length, beginning and end. Of a name of up to seven letters it is all there is to know; of others nearly so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key(u64);

/// The elements of a type. Those of all types stand in one list, each type's side by side.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    /// Is there one of them, rather than all in this order?
    pub is_choice: bool,
    first: u16,
    count: u16,
}

/// Place of an element in the list of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ElementId(u16);

/// An element, as a member of its parent's type.
#[derive(Debug)]
pub struct Element {
    /// Its tag.
    pub name: &'static str,
    type_name: &'static str,
    type_index: u16,
    /// So often at least.
    pub min: u16,
    /// So often at most.
    pub max: u16,
}

/// `max` of an element that may come any number of times.
pub const UNBOUNDED: u16 = u16::MAX;

impl Schema {
    /// The line of 2019.
    pub fn of_2019() -> &'static Schema {
        static SCHEMA: OnceLock<Schema> = OnceLock::new();
        SCHEMA.get_or_init(|| Schema::read(include_str!("2019.schema")))
    }

    /// Reads a schema in the notation of `2019.schema`.
    ///
    /// # Panics
    /// Where the text is no such schema: it is part of the program.
    fn read(text: &'static str) -> Schema {
        let mut schema = Schema {
            messages: Vec::new(),
            types: Vec::new(),
            elements: Vec::new(),
            keys: Vec::new(),
            kinds: Vec::new(),
            next_required: Vec::new(),
        };
        let mut roots = Vec::new();
        let mut type_names: HashMap<&str, u16> = HashMap::new();
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            if let Some(element) = line.strip_prefix("  ") {
                let Some(Type::Group(group)) = schema.types.last_mut() else { panic!("{line}: no type before it") };
                group.count += 1;
                schema.elements.push(element_of(element));
            } else if let Some(message) = line.strip_prefix("message ") {
                let (name, root) = message.split_once(' ').unwrap_or_else(|| panic!("{line}"));
                roots.push((name, element_of(root)));
            } else {
                let first = index(schema.elements.len());
                let (name, of) = match (line.split_once(" = "), line.strip_suffix(" |")) {
                    (Some((name, form)), _) => (name, Type::Text(Form::read(form))),
                    (None, Some(name)) => (name, Type::Group(Group { is_choice: true, first, count: 0 })),
                    (None, None) => (line, Type::Group(Group { is_choice: false, first, count: 0 })),
                };
                let earlier = type_names.insert(name, index(schema.types.len()));
                assert!(earlier.is_none(), "{name} is there twice");
                schema.types.push(of);
            }
        }
        for (name, root) in roots {
            schema.messages.push(Definition { name, root: ElementId(index(schema.elements.len())) });
            schema.elements.push(root);
        }
        for element in &mut schema.elements {
            let type_index = type_names.get(element.type_name);
            element.type_index = *type_index.unwrap_or_else(|| panic!("{}: no such type", element.type_name));
        }
        schema.keys = schema.elements.iter().map(|element| Key::of(element.name)).collect();
        schema.kinds = schema.elements().map(|element| Kind::of(schema.type_of(element))).collect();
        schema.next_required = vec![0; schema.elements.len()];
        for group in schema.types.iter().filter_map(|of| if let Type::Group(group) = of { Some(*group) } else { None })
        {
            let mut next = group.count;
            for place in (0..group.count).rev() {
                let index = usize::from(group.first + place);
                if schema.elements[index].min > 0 {
                    next = place;
                }
                schema.next_required[index] = next;
            }
        }
        schema
    }

    /// Every message.
    pub fn messages(&self) -> &[Definition] {
        &self.messages
    }

    /// The message of this name.
    pub fn message(&self, name: &str) -> Option<&Definition> {
        self.messages.iter().find(|definition| definition.name == name)
    }

    /// Every element of every type.
    pub fn elements(&self) -> impl Iterator<Item = ElementId> {
        (0..index(self.elements.len())).map(ElementId)
    }

    /// An element.
    pub fn element(&self, id: ElementId) -> &Element {
        &self.elements[usize::from(id.0)]
    }

    /// What an element holds.
    pub fn type_of(&self, id: ElementId) -> &Type {
        &self.types[usize::from(self.element(id).type_index)]
    }

    /// The name of what an element holds.
    pub fn type_name_of(&self, id: ElementId) -> &'static str {
        self.element(id).type_name
    }

    /// Number of what an element holds: below `types`.
    pub fn type_number_of(&self, id: ElementId) -> usize {
        usize::from(self.element(id).type_index)
    }

    /// How many types there are.
    pub fn types(&self) -> usize {
        self.types.len()
    }

    /// What an element holds, in short.
    pub(super) fn kind_of(&self, id: ElementId) -> Kind {
        self.kinds[usize::from(id.0)]
    }

    /// Has an element this name, of which this is the key?
    pub(super) fn is_named(&self, id: ElementId, name: &str, key: Key) -> bool {
        self.keys[usize::from(id.0)] == key && (key.is_whole() || self.element(id).name == name)
    }

    /// The elements of a group, in order.
    pub fn members(&self, group: Group) -> &[Element] {
        &self.elements[usize::from(group.first)..][..usize::from(group.count)]
    }

    /// The element of a group with this tag, and its place there; looked for from a place on, and then before it.
    pub fn find(&self, group: Group, name: &str, from: u16) -> Option<(u16, ElementId)> {
        let key = Key::of(name);
        let is_it = |&place: &u16| self.is_named(group.member(place), name, key);
        let place = (from..group.count).find(is_it).or_else(|| (0..from.min(group.count)).find(is_it))?;
        Some((place, group.member(place)))
    }

    /// The first element of a group from a place on, and before another, that must be there.
    pub(super) fn required_within(&self, group: Group, places: std::ops::Range<u16>) -> Option<&Element> {
        if places.is_empty() {
            return None;
        }
        let next = self.next_required[usize::from(group.first + places.start)];
        (next < places.end).then(|| self.element(group.member(next)))
    }

    /// An element of a message by its path below the root, as in `GrpHdr/MsgId`, and the places of the path's elements among their parents' members.
    pub fn resolve(&self, root: ElementId, path: &str) -> Option<(Vec<u16>, ElementId)> {
        let mut places = Vec::new();
        let mut element = root;
        for name in path.split('/') {
            let Type::Group(group) = *self.type_of(element) else { return None };
            let (place, found) = self.find(group, name, 0)?;
            places.push(place);
            element = found;
        }
        Some((places, element))
    }
}

impl Group {
    /// How many elements it has.
    pub fn count(self) -> u16 {
        self.count
    }

    /// The element at this place.
    pub fn member(self, place: u16) -> ElementId {
        debug_assert!(place < self.count);
        ElementId(self.first + place)
    }
}

/// `NAME TYPE [? * + M..N]`
fn element_of(text: &'static str) -> Element {
    let mut words = text.split(' ');
    let (Some(name), Some(type_name)) = (words.next(), words.next()) else { panic!("{text}: an element has a type") };
    let (min, max) = match words.next() {
        None => (1, 1),
        Some("?") => (0, 1),
        Some("*") => (0, UNBOUNDED),
        Some("+") => (1, UNBOUNDED),
        Some(range) => super::form::range(range),
    };
    Element { name, type_name, type_index: 0, min, max }
}

impl Kind {
    fn of(of: &Type) -> Kind {
        match of {
            Type::Group(_) => Kind::Group,
            Type::Text(Form::Any) => Kind::Any,
            Type::Text(Form::Amount(_)) => Kind::Amount,
            Type::Text(_) => Kind::Text,
        }
    }
}

impl Key {
    #[inline]
    pub(super) fn of(name: &str) -> Key {
        let bytes = name.as_bytes();
        let at = |place: usize| bytes.get(place).copied().unwrap_or(0);
        let end = |place: usize| bytes.len().checked_sub(place).map_or(0, at);
        // No name is longer than what one byte can say; one that says so is none.
        let length = u8::try_from(bytes.len()).unwrap_or(u8::MAX);
        Key(u64::from_le_bytes([at(0), at(1), at(2), at(3), end(1), end(2), end(3), length]))
    }

    /// Is there no other name with this key?
    #[inline]
    fn is_whole(self) -> bool {
        self.0.to_le_bytes()[7] <= 7
    }
}

fn index(count: usize) -> u16 {
    u16::try_from(count).expect("a line of versions has fewer than 65,536 types and elements")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_found_by_path_wherever_the_search_begins() {
        let schema = Schema::of_2019();
        let root = schema.message("pacs.008.001.08").expect("it is there").root;
        assert_eq!(schema.element(root).name, "FIToFICstmrCdtTrf");
        let (places, found) = schema.resolve(root, "CdtTrfTxInf/PmtId/UETR").expect("it is there");
        assert_eq!((places.len(), schema.type_name_of(found)), (3, "UUIDv4Identifier"));
        let Type::Group(group) = *schema.type_of(root) else { panic!("a message has elements") };
        for from in 0..=group.count() {
            assert_eq!(schema.find(group, "GrpHdr", from).map(|(place, _)| place), Some(0), "from {from}");
        }
        assert_eq!(schema.find(group, "NotThere", 0), None);
        assert_eq!(schema.resolve(root, "GrpHdr/MsgId/Deeper"), None);
        assert!(schema.message("pacs.008.001.99").is_none());
    }

    #[test]
    fn a_key_of_up_to_seven_letters_is_the_whole_name() {
        let names =
            ["", "A", "B", "AB", "BA", "ABC", "ABCD", "ABCDE", "EBCDE", "ABCDEF", "ABCDEG", "ABCDEFG", "ABCXEFG"];
        for (place, name) in names.iter().enumerate() {
            for other in &names[place + 1..] {
                assert_ne!(Key::of(name), Key::of(other), "{name} {other}");
            }
        }
        // One that is longer is compared as a whole.
        assert_eq!(Key::of("ABCDxEFG"), Key::of("ABCDyEFG"));
        assert!(!Key::of("ABCDxEFG").is_whole() && !Key::of(&"A".repeat(263)).is_whole());
    }

    #[test]
    fn every_message_has_a_root_of_elements() {
        let schema = Schema::of_2019();
        assert_eq!(schema.messages().len(), 24);
        for message in schema.messages() {
            assert!(matches!(schema.type_of(message.root), Type::Group(_)), "{}", message.name);
        }
    }
}
