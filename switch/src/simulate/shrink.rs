//! Makes a failing run smaller while it still fails in the same way: fewer kinds of faults, less time, fewer operations, fewer faults.

use super::plan::NS_PER_S;
use super::{FaultSet, Options};

/// The smallest options found that still fail. `fails` runs options and says whether they fail in the same way.
pub fn shrink(options: Options, mut fails: impl FnMut(&Options) -> bool) -> Options {
    let mut best = options;
    for fault in FaultSet::ALL.faults().filter(|&fault| options.faults.has(fault)) {
        let smaller = Options { faults: best.faults.without(fault), ..best };
        try_smaller(&mut best, smaller, &mut fails);
    }
    halve(&mut best, NS_PER_S, |options| &mut options.for_ns, &mut fails);
    halve(&mut best, 1, |options| &mut options.operations_max, &mut fails);
    halve(&mut best, 1, |options| &mut options.faults_max, &mut fails);
    best
}

/// Searches the least value of one option that still fails, down to `least` apart.
fn halve(
    best: &mut Options,
    least: u64,
    option: impl Fn(&mut Options) -> &mut u64,
    fails: &mut impl FnMut(&Options) -> bool,
) {
    // Most runs begin far fewer operations and faults than they may.
    let mut high = (*option(best)).min(if least == 1 { 1 << 14 } else { u64::MAX });
    let mut low = 0;
    while high - low > least {
        let middle = low + (high - low) / 2;
        let mut smaller = *best;
        *option(&mut smaller) = middle;
        if try_smaller(best, smaller, fails) {
            high = middle;
        } else {
            low = middle;
        }
    }
}

fn try_smaller(best: &mut Options, smaller: Options, fails: &mut impl FnMut(&Options) -> bool) -> bool {
    let still_fails = fails(&smaller);
    if still_fails {
        *best = smaller;
    }
    still_fails
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::Fault;

    #[test]
    fn what_does_not_matter_goes() {
        let options = Options { for_ns: 60 * NS_PER_S, ..Options::of_seed(7) };
        let fails = |options: &Options| {
            options.faults.has(Fault::Power) && options.for_ns > 9 * NS_PER_S && options.operations_max >= 37
        };
        let shrunk = shrink(options, fails);
        assert_eq!(shrunk.faults.to_string(), "power");
        assert!(shrunk.for_ns <= 10 * NS_PER_S + NS_PER_S, "{shrunk}");
        assert_eq!(shrunk.operations_max, 37);
        assert_eq!(shrunk.faults_max, 1, "the least that is tried");
    }
}
