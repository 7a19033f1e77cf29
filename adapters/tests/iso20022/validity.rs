//! Is a message valid for others? Asked of `xmllint` and the published schemas, where both are: `ISO20022_XSD` names the folder of the schemas, or it lies beside the project.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Where the published schemas are; none where nobody has them.
pub(crate) fn schemas() -> Option<PathBuf> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/iso20022/xsd");
    let folder = std::env::var_os("ISO20022_XSD").map_or(beside, PathBuf::from);
    folder.is_dir().then_some(folder)
}

/// Header and document must be valid by their schemas.
#[track_caller]
pub(crate) fn check(message: &str) {
    let Some(schemas) = schemas() else { return };
    for (start, end) in [("<AppHdr", "</AppHdr>"), ("<Document", "</Document>")] {
        let from = message.find(start).unwrap_or_else(|| panic!("{start} is there: {message}"));
        let to = message.rfind(end).unwrap_or_else(|| panic!("{end} is there: {message}")) + end.len();
        validate(&schemas, &message[from..to]);
    }
}

#[track_caller]
fn validate(schemas: &std::path::Path, part: &str) {
    let (_, rest) = part.split_once("tech:xsd:").expect("a message has a namespace");
    let name = &rest[..rest.find('"').expect("an attribute ends")];
    let child = Command::new("xmllint")
        .args(["--noout", "--schema"])
        .arg(schemas.join(format!("{name}.xsd")))
        .arg("-")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = child else {
        eprintln!("xmllint is not installed: {name} was not validated");
        return;
    };
    child.stdin.take().expect("it is piped").write_all(part.as_bytes()).expect("xmllint reads");
    let output = child.wait_with_output().expect("xmllint ends");
    assert!(output.status.success(), "{}\n{part}", String::from_utf8_lossy(&output.stderr));
}
