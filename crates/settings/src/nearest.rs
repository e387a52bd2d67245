//! The known name that is most like a mistyped one.
//!
//! Not here: which names are known.

/// No config has a longer name.
const NAME_MAX: usize = 256;

/// The name with the fewest single-letter changes, if they are few for a word of its length. Names
/// that are longer or shorter than that allows are not measured: a name may be a whole file.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let letters = name.chars().count();
    let most = (letters / 4).max(2);
    let near = known.filter(|candidate| {
        let longest = letters.max(candidate.len());
        longest <= NAME_MAX && letters.abs_diff(candidate.chars().count()) <= most
    });
    let measured = near.map(|candidate| (distance(name, candidate), candidate));
    measured.min().filter(|(changes, _)| *changes <= most).map(|(_, candidate)| candidate)
}

/// How many letters must be put in, left out, replaced or swapped to make `a` of `b`.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, to) in b.iter().enumerate() {
            let replaced = last[j] + usize::from(from != to);
            let mut fewest = replaced.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *from == b[j - 1] && a[i - 1] == *to {
                fewest = fewest.min(swapped(&before, j) + 1);
            }
            row.push(fewest);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

fn swapped(before: &[usize], j: usize) -> usize {
    before.get(j - 1).copied().unwrap_or(usize::MAX - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_the_one_meant() {
        let known = ["num.partitions", "num.io.threads", "log.dirs", "log.dir"];
        for (typed, expect) in [
            ("num.partition", Some("num.partitions")),
            ("num.paritions", Some("num.partitions")),
            ("num.partitiosn", Some("num.partitions")),
            ("log.dris", Some("log.dirs")),
            ("something.else", None),
            (&"num.partitions".repeat(1_000_000), None),
        ] {
            assert_eq!(nearest(typed, known.into_iter()), expect, "{:.40}", typed);
        }
    }
}
