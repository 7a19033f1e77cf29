//! What the simulator promises about itself.

use switch::simulate::{Fault, FaultSet, Options, run};

const NS_PER_S: u64 = 1_000_000_000;

/// Ten seconds of a seed.
fn short(seed: u64) -> Options {
    Options { for_ns: 10 * NS_PER_S, ..Options::of_seed(seed) }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for seed in 100..105 {
        let options = short(seed);
        let first = run(&options).unwrap();
        assert_eq!(run(&options).unwrap(), first, "switch simulate {options}");
        assert_ne!(run(&short(seed + 1_000)).unwrap().trace, first.trace);
    }
}

#[test]
fn a_run_without_faults_has_none() {
    let report = run(&Options { faults: FaultSet::NONE, ..short(7) }).unwrap();
    // Who orders three thousand payments at once may be refused for want of room: that is no fault.
    let faulty = ["killed", "power cut", "disk full", "connection cut", "storm", "wall clock set"];
    for (what, count) in report.coverage.iter() {
        assert!(!faulty.contains(&what) || count == 0, "{what} happened {count} times");
    }
    assert_eq!(report.starts, 2, "the second start is for telling everything once more");
    assert!(report.committed > 50, "{report:?}");
}

#[test]
fn fewer_operations_and_faults_are_fewer() {
    let few = run(&Options { operations_max: 20, faults_max: 2, ..short(3) }).unwrap();
    assert!(few.committed + few.rejected + few.expired <= 20, "{few:?}");
}

#[test]
fn faults_are_named_on_the_command_line_as_in_reports() {
    let some: FaultSet = "power,flip,conduct".parse().unwrap();
    assert!(some.has(Fault::Power) && some.has(Fault::Flip) && !some.has(Fault::Kill));
    assert_eq!(some.to_string(), "power,flip,conduct");
    for name in ["all", "none"] {
        assert_eq!(name.parse::<FaultSet>().unwrap().to_string(), name);
    }
    assert!("power,gremlins".parse::<FaultSet>().unwrap_err().contains("no fault `gremlins`; there are: kill, power"));
}

/// The auditor, and what reads frames and records for it, must not share what they judge: where they name the engine or a codec, they are none.
#[test]
fn the_auditor_shares_no_code_with_the_engine() {
    let sources = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/simulate");
    let mut files = ["auditor.rs", "wire.rs"].map(|name| sources.join(name)).to_vec();
    let mut directories = vec![sources.join("auditor")];
    while let Some(directory) = directories.pop() {
        for path in std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() { directories.push(path) } else { files.push(path) }
        }
    }
    assert!(files.len() > 8, "the auditor is somewhere else: {files:?}");
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
            let shared = ["crate::", "ledger::", "adapters::"].iter().find(|path| line.contains(*path));
            assert!(shared.is_none(), "{} shares code with what it judges: {line}", file.display());
        }
    }
}

/// `make mutants` builds each defect of the table into a copy of the sources. Where the code has changed, its row must follow.
#[test]
fn every_known_defect_has_its_place_in_the_sources() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let table = std::fs::read_to_string(root.join("switch/mutants.toml")).unwrap();
    let table: toml::Table = table.parse().unwrap();
    let mutants = table["mutant"].as_array().unwrap();
    let mut files = std::collections::BTreeMap::new();
    for mutant in mutants {
        let text = |key: &str| mutant[key].as_str().unwrap().to_owned();
        let file =
            files.entry(text("file")).or_insert_with_key(|name| std::fs::read_to_string(root.join(name)).unwrap());
        assert!(text("replace").contains("MUTANT"), "{} changes nothing", text("name"));
        assert_eq!(file.matches(&text("find")).count(), 1, "{}: its place in {}", text("name"), text("file"));
        *file = file.replace(&text("find"), &text("replace"));
    }
    assert!(mutants.len() >= 30);
}
