//! How far each stage has come, in journal positions. Their order is the promise that nothing leaves before it is durable.

/// `sequenced >= durable >= applied >= indexed`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Watermarks {
    /// Has a place in the order.
    pub sequenced: u64,
    /// Is on disk.
    pub durable: u64,
    /// Has been decided by the engine.
    pub applied: u64,
    /// Is in the files of the history, so that memory may let it go.
    pub indexed: u64,
}

impl Watermarks {
    /// # Panics
    /// If a stage has overtaken the one before it.
    pub fn validate(&self) {
        assert!(self.sequenced >= self.durable, "durable before it was sequenced: {self:?}");
        assert!(self.durable >= self.applied, "applied before it was durable: {self:?}");
        assert!(self.applied >= self.indexed, "indexed before it was applied: {self:?}");
    }
}

/// How far one lane of one outbox has come: `enqueued >= sent >= acknowledged`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LaneWatermarks {
    /// Has a number.
    pub enqueued: u64,
    /// Was handed to a connection.
    pub sent: u64,
    /// The provider has it.
    pub acknowledged: u64,
}

impl LaneWatermarks {
    /// # Panics
    /// If a stage has overtaken the one before it.
    pub fn validate(&self) {
        assert!(self.enqueued >= self.sent, "sent before it was enqueued: {self:?}");
        assert!(self.sent >= self.acknowledged, "acknowledged before it was sent: {self:?}");
    }
}
