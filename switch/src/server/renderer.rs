//! The thread that makes frames of older messages: it reads the journal and opens what was sealed, so the hot loop need not.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crossbeam::channel::{Receiver, Sender};
use ledger::journal::Storage;

use super::{HotLoopQueue, Message, ServerError};
use crate::limits::RENDER_KEYS_KEPT_MAX;
use crate::render::{RenderRequest, Rendered, Renderer};
use crate::seal::KeyRing;

pub(super) struct RenderThread<S: Storage> {
    pub(super) renderer: Renderer<S>,
    pub(super) ring: Arc<Mutex<KeyRing>>,
    pub(super) requests: Receiver<RenderRequest>,
    pub(super) rendered: Sender<Rendered>,
    pub(super) queue: HotLoopQueue,
}

impl<S: Storage> RenderThread<S> {
    /// Runs until the hot loop has ended.
    pub(super) fn run(mut self) {
        let mut keys = BTreeMap::new();
        while let Ok(request) = self.requests.recv() {
            let rendered = self.renderer.render(&request, |id| {
                if let Some(key) = keys.get(&id) {
                    return Ok(Clone::clone(key));
                }
                let key = self.ring.lock().unwrap_or_else(PoisonError::into_inner).find(id)?;
                if keys.len() == RENDER_KEYS_KEPT_MAX {
                    keys.clear();
                }
                keys.insert(id, key.clone());
                Ok(key)
            });
            match rendered {
                Ok(rendered) => {
                    if self.rendered.send(rendered).is_err() {
                        return;
                    }
                    self.queue.wake.notify_one();
                }
                Err(fault) => {
                    self.queue.send(Message::Failed(ServerError::Render(fault)));
                    return;
                }
            }
        }
    }
}
