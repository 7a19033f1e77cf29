//! What the simulator has found, and must not find again. Each test opens with its story.
