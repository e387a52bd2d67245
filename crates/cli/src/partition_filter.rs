//! Which partitions are meant: `orders`, `orders:0`, `orders:1-3`, `:5-`, `logs.*:-2`, and lists.
//!
//! Topics are regular expressions that must fit the whole name. Not here: what is asked of them.

use regex::Regex;

use crate::failure::Failure;

/// A list of rules; a partition that fits one is meant.
pub(crate) struct PartitionFilter {
    rules: Vec<Rule>,
}

struct Rule {
    topic: Option<Regex>,
    from: Option<i32>,
    until: Option<i32>,
}

impl PartitionFilter {
    /// Every partition of topics that fit the expression; without one, of all.
    pub(crate) fn topics(expression: Option<&str>, partitions: &[i32]) -> Result<Self, Failure> {
        let topic = expression.map(topic_expression).transpose()?;
        let rule = |from: Option<i32>| Rule {
            topic: topic.clone(),
            from,
            until: from.map(|from| from.saturating_add(1)),
        };
        let rules = match partitions {
            [] => vec![rule(None)],
            some => some.iter().map(|partition| rule(Some(*partition))).collect(),
        };
        Ok(PartitionFilter { rules })
    }

    /// Rules as `--topic-partitions` has them, separated by commas.
    pub(crate) fn parse(rules: &str) -> Result<Self, Failure> {
        let rules = rules.split(',').map(|rule| {
            parse_rule(rule)
                .ok_or_else(|| Failure::said(format!("Invalid rule specification: {rule}")))
        });
        Ok(PartitionFilter { rules: rules.collect::<Result<_, _>>()? })
    }

    /// Whether this partition is meant.
    pub(crate) fn means(&self, topic: &str, partition: i32) -> bool {
        self.rules.iter().any(|rule| {
            rule.fits_topic(topic)
                && rule.from.is_none_or(|from| partition >= from)
                && rule.until.is_none_or(|until| partition < until)
        })
    }
}

impl Rule {
    fn fits_topic(&self, topic: &str) -> bool {
        self.topic.as_ref().is_none_or(|expression| expression.is_match(topic))
    }
}

fn parse_rule(rule: &str) -> Option<Rule> {
    let (topic, partitions) = rule.split_once(':').unwrap_or((rule, ""));
    let number = |text: &str| match text {
        "" => Some(None),
        text if text.bytes().all(|digit| digit.is_ascii_digit()) => text.parse().ok().map(Some),
        _ => None,
    };
    let (from, until) = match partitions.split_once('-') {
        Some((from, until)) => (number(from)?, number(until)?),
        None => {
            let one: Option<i32> = number(partitions)?;
            (one, one.map(|one| one.saturating_add(1)))
        }
    };
    let topic = match topic {
        "" => None,
        topic => Some(topic_expression(topic).ok()?),
    };
    Some(Rule { topic, from, until })
}

/// An expression for names of topics: commas separate alternatives, and the whole name must fit.
pub(crate) fn topic_expression(expression: &str) -> Result<Regex, Failure> {
    let alternatives =
        expression.trim().trim_matches(['"', '\'']).replace(' ', "").replace(',', "|");
    Regex::new(&format!("^(?:{alternatives})$"))
        .map_err(|_| Failure::said(format!("{expression} is an invalid regex.")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rules: &str, expect: &str) {
        let filter = PartitionFilter::parse(rules).unwrap();
        let mut meant = Vec::new();
        for topic in ["a", "b", "ab"] {
            for partition in 0..4 {
                if filter.means(topic, partition) {
                    meant.push(format!("{topic}:{partition}"));
                }
            }
        }
        assert_eq!(meant.join(" "), expect, "{rules}");
    }

    #[test]
    fn a_rule_is_a_topic_and_a_range_whose_end_is_not_meant() {
        check("a", "a:0 a:1 a:2 a:3");
        check("a:1", "a:1");
        check("a:1-3", "a:1 a:2");
        check("a:2-,b:-1", "a:2 a:3 b:0");
        check(":3", "a:3 b:3 ab:3");
        check("a.*:0", "a:0 ab:0");
    }

    #[test]
    fn a_rule_that_is_none_is_refused() {
        for rules in ["a:x", "a:1-2-3", "a:-x", "[:0"] {
            assert!(PartitionFilter::parse(rules).is_err(), "{rules}");
        }
    }

    #[test]
    fn partitions_of_topics_are_listed_one_by_one() {
        let filter = PartitionFilter::topics(Some("a,b"), &[0, 2]).unwrap();
        assert!(filter.means("a", 2) && filter.means("b", 0));
        assert!(!filter.means("a", 1) && !filter.means("ab", 0));
    }
}
