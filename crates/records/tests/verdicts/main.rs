//! Every verdict of Apache Kafka's own log in tests/golden/verdicts.tsv is ours too.

mod judge;

#[test]
fn the_validator_judges_as_kafkas_log_does() {
    let lines = include_str!("../golden/verdicts.tsv");
    let differences: Vec<String> =
        lines.lines().filter_map(|line| judge::judge(line).err()).collect();
    assert!(lines.lines().count() > 100, "the golden file holds more than a hundred verdicts");
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
