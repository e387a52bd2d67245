//! `ottla reassign-partitions` (kafka-reassign-partitions.sh): moves replicas between brokers and
//! between the log directories of a broker, and tells how far that is.
//!
//! Read on in the files of the actions: generate.rs, execute.rs, verify.rs, cancel.rs. What they
//! share is the plan that a file holds (plan.rs), what the cluster says of replicas (replicas.rs)
//! and the limits of moves (throttles.rs). Must hold: lines are those of Apache Kafka's tool,
//! errors too, which it prints on stdout.

mod cancel;
mod execute;
mod generate;
mod plan;
mod replicas;
mod throttles;
mod verify;

use std::io::Write;
use std::path::Path;

use crate::client_options::{self, BOOTSTRAP_CONTROLLER, BOOTSTRAP_SERVER, COMMAND_CONFIG};
use crate::context::Context;
use crate::failure::{Failure, Place};
use crate::options::{HELP, Opt, Parsed, VERSION, flag, long, maybe, text};

/// The options.
pub(crate) const OPTIONS: &[Opt] = &[
    flag("additional", "Go on although other partitions are being reassigned."),
    maybe(
        BOOTSTRAP_CONTROLLER.name,
        "bootstrap controller to connect to",
        "The controllers to begin with, instead of brokers: for --list and --cancel.",
    ),
    maybe(
        BOOTSTRAP_SERVER.name,
        "server(s) to use for bootstrapping",
        "The servers to begin with: HOST1:PORT1,HOST2:PORT2.",
    ),
    text("broker-list", "brokerlist", "The brokers that --generate may use: 0,1,2."),
    flag("cancel", "End the moves that the file names."),
    COMMAND_CONFIG,
    flag("disable-rack-aware", "Let --generate place replicas without a look at racks."),
    flag(
        "disallow-replication-factor-change",
        "Refuse a plan that gives a partition more or fewer replicas.",
    ),
    flag("execute", "Begin the moves that the file names."),
    flag("generate", "Print a plan that spreads topics over brokers; nothing is changed."),
    HELP,
    flag("list", "List the partitions that are being reassigned."),
    flag("preserve-throttles", "Leave the limits of moves as they are."),
    text(
        "reassignment-json-file",
        "manual assignment json file path",
        "The plan: {\"partitions\": [{\"topic\": \"t\", \"partition\": 0, \"replicas\": [1, 2], \
         \"log_dirs\": [\"any\", \"/data\"]}], \"version\": 1}; log_dirs may be left out.",
    ),
    long(
        "replica-alter-log-dirs-throttle",
        "replicaAlterLogDirsThrottle",
        "How many bytes a second may move between the log directories of a broker.",
    )
    .default("-1"),
    long("throttle", "throttle", "How many bytes a second may move between brokers.").default("-1"),
    long(
        "timeout",
        "timeout",
        "For how many ms to wait until moves between log directories have begun.",
    )
    .default("10000"),
    text(
        "topics-to-move-json-file",
        "topics to reassign json file path",
        "The topics that --generate is for: {\"topics\": [{\"topic\": \"t\"}], \"version\": 1}.",
    ),
    flag("verify", "Tell how far the moves of the file are; behind the last, end their limits."),
    VERSION,
];

/// What can be asked for: the word, the options that it needs, and those that it may have.
struct Action {
    name: &'static str,
    needs: &'static [&'static str],
    may: &'static [&'static str],
}

/// The actions, in the order in which a wrong number of them is told.
const ACTIONS: &[Action] = &[
    Action {
        name: "generate",
        needs: &["topics-to-move-json-file", "broker-list"],
        may: &["bootstrap-server", "command-config", "disable-rack-aware"],
    },
    Action {
        name: "execute",
        needs: &["reassignment-json-file"],
        may: &[
            "additional",
            "bootstrap-server",
            "command-config",
            "throttle",
            "replica-alter-log-dirs-throttle",
            "timeout",
            "disallow-replication-factor-change",
        ],
    },
    Action {
        name: "verify",
        needs: &["reassignment-json-file"],
        may: &["bootstrap-server", "command-config", "preserve-throttles"],
    },
    Action {
        name: "cancel",
        needs: &["reassignment-json-file"],
        may: &[
            "bootstrap-server",
            "bootstrap-controller",
            "command-config",
            "preserve-throttles",
            "timeout",
        ],
    },
    Action {
        name: "list",
        needs: &[],
        may: &["bootstrap-server", "bootstrap-controller", "command-config"],
    },
];

/// Does the one action that was asked for.
pub(crate) async fn run(context: &mut Context, parsed: &Parsed) -> Result<(), Failure> {
    let action = action(parsed)?;
    act(context, parsed, action).await.map_err(|failure| match failure.place() {
        // It is the whole of what is to be said.
        Place::Stdout | Place::Nowhere => failure,
        _ => failure.after("Error: "),
    })
}

async fn act(context: &mut Context, parsed: &Parsed, action: &Action) -> Result<(), Failure> {
    let client = client_options::admin(context, parsed).await?;
    match action.name {
        "generate" => generate::run(context, parsed, &client).await?,
        "execute" => execute::run(context, parsed, &client).await?,
        "verify" => verify::run(context, parsed, &client).await?,
        "cancel" => cancel::run(context, parsed, &client).await?,
        _ => list(context, &client).await?,
    }
    client.close().await;
    Ok(())
}

/// The action, when the options fit it.
fn action(parsed: &Parsed) -> Result<&'static Action, Failure> {
    let mut asked = ACTIONS.iter().filter(|action| parsed.has(action.name));
    let (Some(action), None) = (asked.next(), asked.next()) else {
        let names: Vec<String> =
            ACTIONS.iter().map(|action| format!("--{}", action.name)).collect();
        let names = names.join(", ");
        return Err(Failure::usage(format!("Command must include exactly one action: {names}")));
    };
    match (parsed.has(BOOTSTRAP_SERVER.name), parsed.has(BOOTSTRAP_CONTROLLER.name)) {
        (true, true) => Err(Failure::usage(
            "Please don't specify both --bootstrap-server and --bootstrap-controller",
        )),
        (false, false) => Err(Failure::usage(
            "Please specify either --bootstrap-server or --bootstrap-controller",
        )),
        _ => Ok(()),
    }?;
    parsed.need(action.needs)?;
    let fits = |option: &&Opt| {
        let name = option.name;
        !parsed.has(name)
            || name == action.name
            || action.needs.contains(&name)
            || action.may.contains(&name)
    };
    match OPTIONS.iter().find(|option| !fits(option)) {
        Some(option) => Err(Failure::usage(format!(
            "Option \"[{}]\" can't be used with action \"[{}]\"",
            option.name, action.name
        ))),
        None => Ok(action),
    }
}

/// The text of a file that the user named.
fn file(context: &Context, path: &str) -> Result<String, Failure> {
    let bytes = context.env.disk().read(Path::new(path));
    let bytes = bytes.map_err(|_| Failure::said(format!("Unable to read file {path}")))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The plan of `--reassignment-json-file`.
fn plan_of(context: &Context, parsed: &Parsed) -> Result<plan::Plan, Failure> {
    plan::parse(&file(context, parsed.text("reassignment-json-file")?.unwrap_or_default())?)
}

/// A failure that is told without a word in front of it.
fn terse(message: impl Into<String>) -> Failure {
    Failure::said(message).after("")
}

/// The letter that makes a word plural.
fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

/// Things in a row, as the lines of this tool have them.
fn joined<T: ToString>(things: impl IntoIterator<Item = T>) -> String {
    things.into_iter().map(|thing| thing.to_string()).collect::<Vec<_>>().join(",")
}

/// Prints what is being reassigned.
async fn list(context: &mut Context, client: &ottla_client::Client) -> Result<(), Failure> {
    let moving = replicas::reassignments(client, None).await?;
    if moving.is_empty() {
        return Ok(writeln!(context.out, "No partition reassignments found.")?);
    }
    writeln!(context.out, "Current partition reassignments:")?;
    for (partition, change) in &moving {
        writeln!(context.out, "{}", change.line(partition))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
