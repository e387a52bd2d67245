//! How often members are heard of, and what a heartbeat looks at.

use expect_test::expect;

use crate::kinds::AnyKind;
use crate::script::{World, check};
use crate::shared_map::walked;

#[test]
fn what_is_free_goes_to_who_is_heard_of_first() {
    let round = "hb a | hb b | hb c | hb d | hb e";
    check(
        &format!(
            "settings interval=0ms | grow t 6 | {round} | {round} | {round} | {round} | hb e \
             | advance 1s | hb d | advance 1s | hb c | hb b | advance 1s | hb a | consumers \
             | quit c | hb a | consumers"
        ),
        expect![[r#"
            a: Heartbeat epoch=2 [t:0 t:1 t:2 t:3 t:4 t:5]
            b: Heartbeat epoch=3 []
            c: Heartbeat epoch=4 []
            d: Heartbeat epoch=5 []
            e: Heartbeat epoch=6 []
            a: Heartbeat epoch=2 [t:0 t:1]
            b: Heartbeat epoch=6
            c: Heartbeat epoch=6
            d: Heartbeat epoch=6
            e: Heartbeat epoch=6
            a: Heartbeat epoch=6
            b: Heartbeat epoch=6 [t:3]
            c: Heartbeat epoch=6 [t:2]
            d: Heartbeat epoch=6 [t:5]
            e: Heartbeat epoch=6 [t:4]
            a: Heartbeat epoch=6
            b: Heartbeat epoch=6
            c: Heartbeat epoch=6
            d: Heartbeat epoch=6
            e: Heartbeat epoch=6
            e: Heartbeat epoch=6
            d: Heartbeat epoch=6
            c: Heartbeat epoch=6
            b: Heartbeat epoch=6
            a: Heartbeat epoch=6
            consumers: ConsumerGroupDescribe Stable epoch=6/6 uniform
                a@6 has=2 shall=2
                b@6 has=1 shall=1
                c@6 has=1 shall=1
                d@6 has=1 shall=1
                e@6 has=1 shall=1
            c: Heartbeat epoch=-1
            a: Heartbeat epoch=7
            consumers: ConsumerGroupDescribe Reconciling epoch=7/7 uniform
                a@7 has=2 shall=2
                b@6 has=1 shall=1
                d@6 has=1 shall=1
                e@6 has=1 shall=2"#]],
    );
}

#[test]
fn heartbeats_come_sooner_while_the_group_is_not_stable() {
    check(
        "hb a show | hb b show | advance 1s | hb b show | hb a show | hb a show | hb b show \
         | hb b show | hb a show | advance 1s | hb a show | hb b show",
        expect![[r#"
            a: Heartbeat epoch=2 next=1000ms [t:0 t:1 t:2 t:3]
            b: Heartbeat epoch=2 next=1000ms []
            b: Heartbeat epoch=3 next=250ms
            a: Heartbeat epoch=2 next=250ms [t:0 t:1]
            a: Heartbeat epoch=3 next=4000ms
            b: Heartbeat epoch=3 next=1500ms [t:2 t:3]
            b: Heartbeat epoch=3 next=1500ms
            a: Heartbeat epoch=3 next=4000ms
            a: Heartbeat epoch=3 next=5000ms
            b: Heartbeat epoch=3 next=5000ms"#]],
    );
}

#[test]
fn who_is_alone_is_told_the_interval_when_that_of_its_assignment_is_over() {
    check(
        "hb a show | hb a show | advance 400ms | hb a show | advance 500ms | hb a show \
         | advance 100ms | hb a show",
        expect![[r#"
            a: Heartbeat epoch=2 next=1000ms [t:0 t:1 t:2 t:3]
            a: Heartbeat epoch=2 next=1000ms
            a: Heartbeat epoch=2 next=600ms
            a: Heartbeat epoch=2 next=250ms
            a: Heartbeat epoch=2 next=5000ms"#]],
    );
    check(
        "settings interval=0ms | hb a show | hb a show",
        expect![[r#"
        a: Heartbeat epoch=2 next=5000ms [t:0 t:1 t:2 t:3]
        a: Heartbeat epoch=2 next=5000ms"#]],
    );
    check(
        "settings interval=15s | hb a show",
        expect!["a: Heartbeat epoch=2 next=5000ms [t:0 t:1 t:2 t:3]"],
    );
}

#[test]
fn the_first_of_many_members_is_there_when_they_are_assigned() {
    check(
        "hb a show | hb a show | advance 100ms | hb b show | hb c show | hb d show | advance 900ms \
         | hb a show | hb b show | hb a show | hb c show | hb d show | advance 250ms | hb b show \
         | hb c show | hb d show | hb d show",
        expect![[r#"
            a: Heartbeat epoch=2 next=1000ms [t:0 t:1 t:2 t:3]
            a: Heartbeat epoch=2 next=1000ms
            b: Heartbeat epoch=2 next=900ms []
            c: Heartbeat epoch=2 next=900ms []
            d: Heartbeat epoch=2 next=900ms []
            a: Heartbeat epoch=2 next=250ms [t:0]
            b: Heartbeat epoch=5 next=250ms
            a: Heartbeat epoch=5 next=4000ms
            c: Heartbeat epoch=5 next=1500ms [t:2]
            d: Heartbeat epoch=5 next=2750ms [t:3]
            b: Heartbeat epoch=5 next=5000ms [t:1]
            c: Heartbeat epoch=5 next=1250ms
            d: Heartbeat epoch=5 next=2500ms
            d: Heartbeat epoch=5 next=2500ms"#]],
    );
}

#[test]
fn members_that_wait_for_nobody_come_in_turn_while_the_group_is_not_stable() {
    check(
        "settings interval=0ms | hb a | hb b | hb c | hb d | hb a show | hb a show | hb b show \
         | hb c show | hb d show | advance 1s | hb a show | hb b show | hb c show | hb d show",
        expect![[r#"
            a: Heartbeat epoch=2 [t:0 t:1 t:2 t:3]
            b: Heartbeat epoch=3 []
            c: Heartbeat epoch=4 []
            d: Heartbeat epoch=5 []
            a: Heartbeat epoch=2 next=250ms [t:0]
            a: Heartbeat epoch=5 next=5000ms
            b: Heartbeat epoch=5 next=1250ms [t:2]
            c: Heartbeat epoch=5 next=2500ms [t:3]
            d: Heartbeat epoch=5 next=5000ms [t:1]
            a: Heartbeat epoch=5 next=5000ms
            b: Heartbeat epoch=5 next=5000ms
            c: Heartbeat epoch=5 next=5000ms
            d: Heartbeat epoch=5 next=5000ms"#]],
    );
}

#[test]
fn who_waits_for_a_member_that_lets_nothing_go_asks_less_and_less_often() {
    check(
        "settings interval=0ms | hb a | hb b | hb a keep | hb b show | advance 4s | hb a keep show \
         | hb b show | advance 16s | hb a keep show | hb b show | advance 20s | hb b show",
        expect![[r#"
            a: Heartbeat epoch=2 [t:0 t:1 t:2 t:3]
            b: Heartbeat epoch=3 []
            a: Heartbeat epoch=2 [t:0 t:1]
            b: Heartbeat epoch=3 next=250ms
            a: Heartbeat epoch=2 next=1000ms
            b: Heartbeat epoch=3 next=1000ms
            a: Heartbeat epoch=2 next=5000ms
            b: Heartbeat epoch=3 next=5000ms
            b: Heartbeat epoch=3 next=5000ms"#]],
    );
}

#[test]
fn who_leaves_does_not_hurry_those_who_stay_and_have_nothing_to_do() {
    let settled = "hb a | hb b | hb c | hb d | advance 1s | hb a | hb b | hb a | hb c | hb d \
                   | hb b | hb c | hb d | advance 1s";
    check(
        &format!(
            "{settled} | quit d | advance 10ms | hb b show | advance 10ms | hb a show \
             | advance 10ms | hb c show | hb b show | consumers"
        ),
        expect![[r#"
            a: Heartbeat epoch=2 [t:0 t:1 t:2 t:3]
            b: Heartbeat epoch=2 []
            c: Heartbeat epoch=2 []
            d: Heartbeat epoch=2 []
            a: Heartbeat epoch=2 [t:0]
            b: Heartbeat epoch=5
            a: Heartbeat epoch=5
            c: Heartbeat epoch=5 [t:2]
            d: Heartbeat epoch=5 [t:3]
            b: Heartbeat epoch=5 [t:1]
            c: Heartbeat epoch=5
            d: Heartbeat epoch=5
            d: Heartbeat epoch=-1
            b: Heartbeat epoch=6 next=4656ms [t:1 t:3]
            a: Heartbeat epoch=6 next=2980ms
            c: Heartbeat epoch=6 next=1303ms
            b: Heartbeat epoch=6 next=4636ms
            consumers: ConsumerGroupDescribe Stable epoch=6/6 uniform
                a@6 has=1 shall=1
                b@6 has=2 shall=2
                c@6 has=1 shall=1"#]],
    );
}

#[test]
fn a_heartbeat_at_rest_looks_at_no_other_member() {
    let mut world = World::new();
    let beat = |member: usize| match member % 3 {
        0 => format!("hb m{member} static=s{member}"),
        1 => format!("hb m{member} full assignor=range"),
        _ => format!("hb m{member} regex=t.* topics="),
    };
    world.run("settings interval=0ms");
    for _round in 0..8 {
        (0..90).for_each(|member| world.run(&format!("{} | advance 10ms", beat(member))));
    }
    let group = world.kit.live().group("g").and_then(|group| group.kinds.consumers.as_deref());
    assert_eq!(group.map(|group| (group.state(), group.members().len())), Some(("Stable", 90)));
    let at_rest = walked::during(|| (0..90).for_each(|member| world.run(&beat(member))));
    // Each looks at the one regular expression that the group has.
    assert_eq!(at_rest, 90);
    world.finish();
}
