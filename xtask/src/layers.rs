//! The arrows between crates: who may use whom. They point down only.
//!
//! A crate may use what its row names, what those rows name in turn, and `ANYONE`; its tests may
//! also use `IN_TESTS`. A new arrow is a change of this list and a page in docs/decisions/.
//! Not here: the check (tidy/arrows.rs), nor arrows to crates of others (deps.rs).

/// A crate and what it points to.
pub(crate) struct Layer {
    pub(crate) name: &'static str,
    pub(crate) uses: &'static [&'static str],
    /// Below the line: no async, sockets, files, clock or randomness.
    pub(crate) pure: bool,
}

const fn shell(name: &'static str, uses: &'static [&'static str]) -> Layer {
    Layer { name, uses, pure: false }
}

const fn core(name: &'static str, uses: &'static [&'static str]) -> Layer {
    Layer { name, uses, pure: true }
}

/// Every crate of the house, from the roof down; a row only names rows below it.
pub(crate) const LAYERS: &[Layer] = &[
    shell("sim", &["node", "client", "env"]),
    shell("histories", &["client"]),
    shell("cli", &["client", "node", "storage", "records", "metadata"]),
    shell("console", &["client"]),
    shell("sql", &["streams", "registry"]),
    shell("streams", &["client", "registry"]),
    shell("connect", &["client", "registry"]),
    shell("registry", &["client"]),
    shell(
        "node",
        &["broker", "quorum", "coordination", "http", "net", "client", "storage", "controller"],
    ),
    shell(
        "broker",
        &[
            "coordination",
            "quorum",
            "net",
            "client",
            "storage",
            "controller",
            "metadata",
            "groups",
            "transactions",
            "share",
            "replication",
        ],
    ),
    shell("coordination", &["groups", "transactions", "share", "machine", "records", "env"]),
    shell("quorum", &["raft", "controller", "storage", "net"]),
    shell("http", &["env"]),
    shell("net", &["wire", "security", "env"]),
    shell("client", &["wire", "records", "env", "security"]),
    shell("storage", &["records", "env"]),
    shell("env", &[]),
    core("controller", &["metadata", "settings", "security"]),
    core("groups", &["machine", "metadata"]),
    core("transactions", &["machine", "metadata"]),
    core("share", &["machine", "wire"]),
    core("metadata", &["machine", "wire"]),
    core("replication", &["wire"]),
    core("raft", &["wire"]),
    core("security", &["wire"]),
    core("machine", &["wire"]),
    core("records", &["wire"]),
    core("wire", &[]),
    core("settings", &[]),
    core("metrics", &[]),
];

/// What the tests of any crate may use.
pub(crate) const IN_TESTS: &[&str] = &["sim", "histories"];

/// Tables that anyone may use.
pub(crate) const ANYONE: &[&str] = &["settings", "metrics"];
