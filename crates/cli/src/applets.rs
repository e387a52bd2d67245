//! Table: the applets, one row each: a word of `ottla`, and a command of Apache Kafka.
//!
//! A row is listed when it works. `--help`, completions and links derive from here; a command is
//! its file and its row.

use std::future::Future;
use std::pin::Pin;

use crate::context::Context;
use crate::failure::Failure;
use crate::options::{Opt, Parsed};
use crate::{
    broker_api_versions, cluster, completions, configs, console_consumer, console_producer,
    console_share_consumer, consumer_groups, delete_records, dump_log, features, get_offsets, help,
    leader_election, links, log, log_dirs, metadata_quorum, reassign_partitions, share_groups,
    start, stop, storage, streams_groups, topics, transactions,
};

/// What a command's function gives back.
pub(crate) type Running<'a> = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send + 'a>>;

/// One command.
pub struct Applet {
    /// The word after `ottla`.
    pub name: &'static str,
    /// The names of Apache Kafka's scripts that it stands for, without `.sh`.
    pub kafka_names: &'static [&'static str],
    /// What it does, for the list of commands.
    pub summary: &'static str,
    pub(crate) body: Body,
}

/// How a command reads its words, and what it does.
pub(crate) enum Body {
    /// By a table of options.
    Options {
        options: &'static [Opt],
        /// The first line of `--help`.
        about: &'static str,
        run: for<'a> fn(&'a mut Context, &'a Parsed) -> Running<'a>,
    },
    /// By itself.
    Words(for<'a> fn(&'a mut Context, &'a [String]) -> Running<'a>),
}

impl Applet {
    /// Whether a link of that name means this command.
    pub(crate) fn answers_to(&self, name: &str) -> bool {
        let name = name.strip_suffix(".sh").unwrap_or(name);
        self.kafka_names.contains(&name)
    }

    /// Its options, where it has a table of them.
    pub(crate) fn options(&self) -> &'static [Opt] {
        match self.body {
            Body::Options { options, .. } => options,
            Body::Words(_) => &[],
        }
    }
}

/// Every command, in the order of their names.
pub static APPLETS: &[Applet] = &[
    Applet {
        name: "broker-api-versions",
        kafka_names: &["kafka-broker-api-versions"],
        summary: "print which APIs each broker serves, in which versions",
        body: Body::Options {
            options: broker_api_versions::OPTIONS,
            about: "Tells which versions of which APIs brokers serve.",
            run: |context, parsed| Box::pin(broker_api_versions::run(context, parsed)),
        },
    },
    Applet {
        name: "cluster",
        kafka_names: &["kafka-cluster"],
        summary: "print the cluster's id or its endpoints, take a broker out of it",
        body: Body::Words(|context, words| Box::pin(cluster::run(context, words))),
    },
    Applet {
        name: "completions",
        kafka_names: &[],
        summary: "print a script that completes commands and options: bash, zsh or fish",
        body: Body::Words(|context, words| Box::pin(completions::run(context, words))),
    },
    Applet {
        name: "configs",
        kafka_names: &["kafka-configs"],
        summary: "describe or alter configs of topics, brokers, groups, and quotas",
        body: Body::Options {
            options: configs::OPTIONS,
            about: "Describes and alters configs of topics, clients, users, brokers, addresses, \
                    client metrics and groups.",
            run: |context, parsed| Box::pin(configs::run(context, parsed)),
        },
    },
    Applet {
        name: "console-consumer",
        kafka_names: &["kafka-console-consumer"],
        summary: "print the records of topics as they come",
        body: Body::Options {
            options: console_consumer::OPTIONS,
            about: "Reads records of topics and prints them.",
            run: |context, parsed| Box::pin(console_consumer::run(context, parsed)),
        },
    },
    Applet {
        name: "console-producer",
        kafka_names: &["kafka-console-producer"],
        summary: "write each line of the input to a topic",
        body: Body::Options {
            options: console_producer::OPTIONS,
            about: "Reads lines and writes each as a record.",
            run: |context, parsed| Box::pin(console_producer::run(context, parsed)),
        },
    },
    Applet {
        name: "console-share-consumer",
        kafka_names: &["kafka-console-share-consumer"],
        summary: "print the records of a topic as a member of a share group",
        body: Body::Options {
            options: console_share_consumer::OPTIONS,
            about: "Reads records of a topic in a share group and prints them.",
            run: |context, parsed| Box::pin(console_share_consumer::run(context, parsed)),
        },
    },
    Applet {
        name: "consumer-groups",
        kafka_names: &["kafka-consumer-groups"],
        summary: "list, describe or delete groups, and reset their offsets",
        body: Body::Options {
            options: consumer_groups::OPTIONS,
            about: "Lists, describes and deletes consumer groups, and resets their offsets.",
            run: |context, parsed| Box::pin(consumer_groups::run(context, parsed)),
        },
    },
    Applet {
        name: "delete-records",
        kafka_names: &["kafka-delete-records"],
        summary: "delete the records of partitions up to offsets that a file names",
        body: Body::Options {
            options: delete_records::OPTIONS,
            about: "Deletes records of partitions up to the offsets that a file names.",
            run: |context, parsed| Box::pin(delete_records::run(context, parsed)),
        },
    },
    Applet {
        name: "dump-log",
        kafka_names: &["kafka-dump-log"],
        summary: "print what is in the files of a log: batches, records, indexes, snapshots",
        body: Body::Options {
            options: dump_log::OPTIONS,
            about: "Prints what is in the files of a log, for when one looks damaged.",
            run: |context, parsed| Box::pin(dump_log::run(context, parsed)),
        },
    },
    Applet {
        name: "features",
        kafka_names: &["kafka-features"],
        summary: "describe, upgrade, downgrade or disable feature levels of the cluster",
        body: Body::Words(|context, words| Box::pin(features::run(context, words))),
    },
    Applet {
        name: "get-offsets",
        kafka_names: &["kafka-get-offsets"],
        summary: "print the offsets of partitions: first, last, or by time",
        body: Body::Options {
            options: get_offsets::OPTIONS,
            about: "Prints offsets of partitions, one line each: topic:partition:offset.",
            run: |context, parsed| Box::pin(get_offsets::run(context, parsed)),
        },
    },
    Applet {
        name: "help",
        kafka_names: &[],
        summary: "list the commands, or the options of one",
        body: Body::Words(|context, words| Box::pin(async { help::print(context, words) })),
    },
    Applet {
        name: "leader-election",
        kafka_names: &["kafka-leader-election"],
        summary: "elect preferred leaders, or any where nobody leads",
        body: Body::Options {
            options: leader_election::OPTIONS,
            about: "Elects leaders of partitions: the preferred ones, or uncleanly.",
            run: |context, parsed| Box::pin(leader_election::run(context, parsed)),
        },
    },
    Applet {
        name: "links",
        kafka_names: &[],
        summary: "make links in a folder, named like Apache Kafka's scripts",
        body: Body::Words(|context, words| Box::pin(links::run(context, words))),
    },
    Applet {
        name: "log",
        kafka_names: &[],
        summary: "verify or repair the files of log directories, ours or Apache Kafka's",
        body: Body::Words(|context, words| Box::pin(log::run(context, words))),
    },
    Applet {
        name: "log-dirs",
        kafka_names: &["kafka-log-dirs"],
        summary: "tell what lies in the log directories of brokers, as JSON",
        body: Body::Options {
            options: log_dirs::OPTIONS,
            about: "Tells what lies in the log directories of brokers.",
            run: |context, parsed| Box::pin(log_dirs::run(context, parsed)),
        },
    },
    Applet {
        name: "metadata-quorum",
        kafka_names: &["kafka-metadata-quorum"],
        summary: "tell who votes and leads in the quorum of the metadata log, and how far it is",
        body: Body::Words(|context, words| Box::pin(metadata_quorum::run(context, words))),
    },
    Applet {
        name: "reassign-partitions",
        kafka_names: &["kafka-reassign-partitions"],
        summary: "move replicas between brokers and log directories, tell how far that is",
        body: Body::Options {
            options: reassign_partitions::OPTIONS,
            about: "Moves replicas of partitions between brokers, and between log directories.",
            run: |context, parsed| Box::pin(reassign_partitions::run(context, parsed)),
        },
    },
    Applet {
        name: "share-groups",
        kafka_names: &["kafka-share-groups"],
        summary: "list, describe or delete share groups, and put them elsewhere",
        body: Body::Options {
            options: share_groups::OPTIONS,
            about: "Lists, describes and deletes share groups, and puts them elsewhere.",
            run: |context, parsed| Box::pin(share_groups::run(context, parsed)),
        },
    },
    Applet {
        name: "start",
        kafka_names: &["kafka-server-start"],
        summary: "run a node in the foreground; what happens without a word, too",
        body: Body::Words(|context, words| Box::pin(start::run(context, words))),
    },
    Applet {
        name: "stop",
        kafka_names: &["kafka-server-stop"],
        summary: "ask the node to stop that runs in a configuration's folders",
        body: Body::Words(|context, words| Box::pin(stop::run(context, words))),
    },
    Applet {
        name: "storage",
        kafka_names: &["kafka-storage"],
        summary: "format a node's folders, tell what is in them, make an id",
        body: Body::Words(|context, words| Box::pin(storage::run(context, words))),
    },
    Applet {
        name: "streams-groups",
        kafka_names: &["kafka-streams-groups"],
        summary: "list, describe or delete groups of Kafka Streams, and reset their offsets",
        body: Body::Options {
            options: streams_groups::OPTIONS,
            about: "Lists, describes and deletes groups of Kafka Streams, resets their offsets.",
            run: |context, parsed| Box::pin(streams_groups::run(context, parsed)),
        },
    },
    Applet {
        name: "topics",
        kafka_names: &["kafka-topics"],
        summary: "list, describe, create, alter or delete topics",
        body: Body::Options {
            options: topics::OPTIONS,
            about: "Creates, deletes, describes or changes topics.",
            run: |context, parsed| Box::pin(topics::run(context, parsed)),
        },
    },
    Applet {
        name: "transactions",
        kafka_names: &["kafka-transactions"],
        summary: "show transactions and their producers, find those that hang, end them",
        body: Body::Words(|context, words| Box::pin(transactions::run(context, words))),
    },
];

#[cfg(test)]
mod tests;
