//! Why a run could not begin.

/// One line: what is wrong, and what to do. The exit status is 2.
#[derive(Debug, PartialEq, Eq)]
pub struct SetUpError(pub String);

impl SetUpError {
    /// From anything that can be said in one line.
    pub fn new(text: impl std::fmt::Display) -> SetUpError {
        SetUpError(text.to_string().replace('\n', " "))
    }
}

impl std::fmt::Display for SetUpError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SetUpError {}
