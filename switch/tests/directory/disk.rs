//! The store on disk: what is closed and opened again, and what a crash leaves, is what it was.

use std::path::Path;

use proptest::prelude::*;
use switch::directory::store::DiskStore;
use switch::directory::{Directory, DirectoryBatch};

use crate::edge::{Edge, Plan, plan};
use crate::memory::{applied, check_results, check_state};
use crate::model::Model;

fn open(path: &Path) -> (Directory<DiskStore>, DiskStore) {
    let store = DiskStore::open(path).unwrap();
    (Directory::open(store.clone()).unwrap(), store)
}

/// What the files hold at this moment, whatever the process still has in memory.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for file in std::fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        let (from, to) = (file.path(), to.join(file.file_name()));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            std::fs::copy(&from, &to).unwrap();
        }
    }
}

fn run(plans: &[Plan]) {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("directory");
    let (mut edge, mut model) = (Edge::new(), Model::default());
    let mut batches: Vec<DirectoryBatch> = Vec::new();
    let mut persisted = 0;
    for (number, plan) in plans.iter().enumerate() {
        let (mut directory, store) = open(&path);
        // Closed without being told to persist, it may have forgotten, but not what it was told to keep.
        assert!(directory.applied() >= persisted);
        batches.iter().for_each(|batch| drop(applied(&mut directory, batch)));
        if number > 0 {
            check_state(&directory, &store, &model);
        }
        let (batch, telling) = edge.batch(plan, &model);
        let answers = model.apply(&telling);
        check_results(&applied(&mut directory, &batch), &answers, &telling);
        batches.push(batch);
        check_state(&directory, &store, &model);
        if plan.is_persisted {
            directory.persist().unwrap();
            persisted = model.applied;
        }
        if plan.is_crash {
            let copied = place.path().join(format!("copy-{number}"));
            copy(&path, &copied);
            let (mut directory, store) = open(&copied);
            assert!(directory.applied() >= persisted && directory.applied() <= model.applied);
            assert_eq!(directory.digest(), directory.recount().unwrap());
            batches.iter().for_each(|batch| drop(applied(&mut directory, batch)));
            check_state(&directory, &store, &model);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_store_on_disk_holds_what_it_was_given(plans in prop::collection::vec(plan(24), 3..8)) {
        run(&plans);
    }
}
