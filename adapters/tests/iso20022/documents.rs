//! What documents say about ISO 20022 is what the code says.

use std::path::PathBuf;

use adapters::iso20022::document::Decoder;
use adapters::iso20022::page;
use adapters::iso20022::profile::Profile;
use adapters::iso20022::refusal::Cause;
use adapters::iso20022::schema::{NAMESPACE, Schema};

#[test]
fn the_page_of_the_profile_is_the_profile() {
    let page = include_str!("../../../docs/iso20022-profile.md");
    assert!(page == page::profile(Profile::clearspan()), "make it anew: gateway profile > docs/iso20022-profile.md");
}

#[test]
fn every_cause_of_a_refusal_is_documented() {
    let guide = include_str!("../../../docs/iso20022.md");
    for cause in Cause::ALL {
        assert!(guide.contains(&format!("| `{}` |", cause.code())), "{} stands in the table of causes", cause.code());
    }
}

/// Bodies of another scheme's messages, where they lie beside the project: they have no UETRs and no zones, so they are read by a profile that asks for neither.
#[test]
fn messages_of_another_scheme_are_read() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/iso20022/samples");
    let Ok(files) = std::fs::read_dir(&folder) else { return };
    let all =
        Schema::of_2019().messages().iter().map(|message| format!("message {}\n", message.name)).collect::<String>();
    let profile: &'static Profile =
        Box::leak(Box::new(Profile::read(Schema::of_2019(), all.leak()).expect("a profile without rules")));
    let mut decoder = Decoder::new(profile);
    let mut read = 0;
    for file in files.map(|file| file.expect("a file").path()) {
        let text = std::fs::read_to_string(&file).expect("text");
        let (prefix, namespace) = body_namespace(&text).unwrap_or_else(|| panic!("{}: a namespace", file.display()));
        let root = profile.schema.element(profile.schema.message(&namespace).expect("a message").root).name;
        let (start, end) = (format!("<{prefix}:{root}>"), format!("</{prefix}:{root}>"));
        let from = text.find(&start).unwrap_or_else(|| panic!("{}: {start}", file.display()));
        let to = text.rfind(&end).expect("it ends") + end.len();
        let message = format!(
            "<{prefix}:Document xmlns:{prefix}=\"{NAMESPACE}{namespace}\">{}</{prefix}:Document>",
            &text[from..to]
        );
        if let Err(refusal) = decoder.decode(message.as_bytes()) {
            panic!("{}: {refusal}", file.display());
        }
        read += 1;
    }
    assert!(read >= 11, "{read} samples");
}

/// Prefix and message of the namespace that is not the header's.
fn body_namespace(text: &str) -> Option<(String, String)> {
    let declared = text.split("xmlns:").skip(1).filter_map(|rest| rest.split_once("=\""));
    let of_iso = declared.filter_map(|(prefix, rest)| Some((prefix, rest.split_once('"')?.0.strip_prefix(NAMESPACE)?)));
    of_iso.map(|(prefix, name)| (prefix.to_owned(), name.to_owned())).find(|(_, name)| !name.starts_with("head."))
}
