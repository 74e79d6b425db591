//! Settings of a service's container beyond image, command and wiring. A setting without effect on
//! a single engine is ignored with a note; a setting with an effect that is not supported must be
//! refused.

use std::collections::BTreeMap;

use super::compose_error::Fault;
use super::node::{Node, Table};

/// The supported keys, named in refusals of other keys.
pub(super) const SUPPORTED: &str = "cap_add, cap_drop, deploy (replicas: 1, resources.limits), dns, expose, extra_hosts, \
                                    group_add, hostname, init, logging, privileged, read_only, security_opt, stdin_open, tmpfs, tty";
/// Keys for other programs, or with values that hold anyway.
const PASSED_OVER: [&str; 3] = ["annotations", "attach", "develop"];

/// A container's further settings in the engine's format.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Extras {
    pub(crate) hostname: Option<String>,
    pub(crate) init: Option<bool>,
    pub(crate) tty: Option<bool>,
    pub(crate) stdin_open: Option<bool>,
    pub(crate) privileged: Option<bool>,
    pub(crate) read_only: Option<bool>,
    pub(crate) cap_add: Vec<String>,
    pub(crate) cap_drop: Vec<String>,
    pub(crate) dns: Vec<String>,
    /// Such as `80/tcp`.
    pub(crate) expose: Vec<String>,
    /// `name:address`
    pub(crate) extra_hosts: Vec<String>,
    pub(crate) group_add: Vec<String>,
    pub(crate) security_opt: Vec<String>,
    /// Options by place.
    pub(crate) tmpfs: BTreeMap<String, String>,
    /// The driver and its options.
    pub(crate) logging: Option<(String, BTreeMap<String, String>)>,
    pub(crate) memory_bytes: Option<i64>,
    pub(crate) nano_cpus: Option<i64>,
    /// The ignored keys, for the log.
    pub(crate) notes: Vec<String>,
}

/// Reads these keys of a service.
pub(super) fn read(table: &mut Table<'_>) -> Result<Extras, Fault> {
    let mut extras = Extras {
        hostname: table.read("hostname", Node::text)?,
        init: table.read("init", Node::flag)?,
        tty: table.read("tty", Node::flag)?,
        stdin_open: table.read("stdin_open", Node::flag)?,
        privileged: table.read("privileged", Node::flag)?,
        read_only: table.read("read_only", Node::flag)?,
        cap_add: table.read("cap_add", Node::texts)?.unwrap_or_default(),
        cap_drop: table.read("cap_drop", Node::texts)?.unwrap_or_default(),
        dns: table.read("dns", Node::one_or_more)?.unwrap_or_default(),
        expose: table.read("expose", expose)?.unwrap_or_default(),
        extra_hosts: table.read("extra_hosts", extra_hosts)?.unwrap_or_default(),
        group_add: table.read("group_add", Node::texts)?.unwrap_or_default(),
        security_opt: table.read("security_opt", Node::texts)?.unwrap_or_default(),
        tmpfs: table.read("tmpfs", tmpfs)?.unwrap_or_default(),
        logging: table.read("logging", logging)?,
        ..Extras::default()
    };
    if let Some(node) = table.take("deploy") {
        deploy(&node, &mut extras)?;
    }
    for key in PASSED_OVER {
        extras.notes.extend(table.take(key).map(|node| passed_over(&node)));
    }
    Ok(extras)
}

/// The note about an ignored key.
pub(super) fn passed_over(node: &Node<'_>) -> String {
    format!("{} has no effect here and is ignored", node.key)
}

fn expose(node: &Node<'_>) -> Result<Vec<String>, Fault> {
    let port = |node: &Node<'_>| {
        let text = node.text()?;
        let (port, protocol) = text.split_once('/').unwrap_or((&text, "tcp"));
        match port.parse::<u16>() {
            Ok(port) if port > 0 => Ok(format!("{port}/{protocol}")),
            _ => Err(node.fault("is not a port; use 80 or \"80/udp\"; ranges are not supported")),
        }
    };
    node.items()?.iter().map(port).collect()
}

fn extra_hosts(node: &Node<'_>) -> Result<Vec<String>, Fault> {
    if node.value.is_object() {
        let host = |(name, node): (String, Node<'_>)| Ok(format!("{name}:{}", node.text()?));
        return node.entries()?.into_iter().map(host).collect();
    }
    let host = |node: &Node<'_>| {
        let text = node.text()?;
        let (name, address) = text
            .split_once('=')
            .or_else(|| text.split_once(':'))
            .ok_or_else(|| node.fault("is not name:address"))?;
        Ok(format!("{name}:{}", address.trim_matches(['[', ']'])))
    };
    node.items()?.iter().map(host).collect()
}

fn tmpfs(node: &Node<'_>) -> Result<BTreeMap<String, String>, Fault> {
    let split = |text: String| match text.split_once(':') {
        Some((place, options)) => (place.to_owned(), options.to_owned()),
        None => (text, String::new()),
    };
    Ok(node.one_or_more()?.into_iter().map(split).collect())
}

fn logging(node: &Node<'_>) -> Result<(String, BTreeMap<String, String>), Fault> {
    let mut table = node.table()?;
    let driver = table.read("driver", Node::text)?.unwrap_or_default();
    let options = table.read("options", Node::pairs)?.unwrap_or_default();
    table.finish("driver, options")?;
    Ok((driver, options.into_iter().map(|(name, value)| (name, value.unwrap_or_default())).collect()))
}

fn deploy(node: &Node<'_>, extras: &mut Extras) -> Result<(), Fault> {
    let mut table = node.table()?;
    if let Some(replicas) = table.take("replicas")
        && replicas.number()? != 1
    {
        return Err(replicas.fault("is supported only as 1; remove it"));
    }
    if let Some(resources) = table.take("resources") {
        let mut resources = resources.table()?;
        if let Some(limits) = resources.take("limits") {
            let mut limits = limits.table()?;
            extras.memory_bytes = limits.read("memory", bytes)?;
            extras.nano_cpus = limits.read("cpus", nano_cpus)?;
            limits.finish("memory, cpus")?;
        }
        extras.notes.extend(resources.take("reservations").map(|node| passed_over(&node)));
        resources.finish("limits, reservations")?;
    }
    for key in ["labels", "mode", "placement", "update_config", "rollback_config", "endpoint_mode"] {
        let Some(node) = table.take(key) else { continue };
        if key == "mode" && node.value.as_str() != Some("replicated") {
            return Err(node.fault("is supported only as replicated; remove it"));
        }
        extras.notes.push(passed_over(&node));
    }
    table.finish("replicas (1), resources")
}

/// Such as `512m`, `1.5gb` or a number of bytes.
#[expect(clippy::cast_possible_truncation, reason = "it is within what was asked for")]
fn bytes(node: &Node<'_>) -> Result<i64, Fault> {
    let text = node.text()?.to_ascii_lowercase();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let factor = match text[digits..].trim() {
        "" | "b" => 1_u32,
        "k" | "kb" => 1 << 10,
        "m" | "mb" => 1 << 20,
        "g" | "gb" => 1 << 30,
        _ => 0,
    };
    match text[..digits].parse::<f64>() {
        Ok(number) if factor > 0 && number > 0.0 => Ok((number * f64::from(factor)) as i64),
        _ => Err(node.fault("is not a size; use 512m or 2g")),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "no machine has so many")]
fn nano_cpus(node: &Node<'_>) -> Result<i64, Fault> {
    match node.text()?.parse::<f64>() {
        Ok(number) if number > 0.0 && number < 1e6 => Ok((number * 1e9) as i64),
        _ => Err(node.fault("is not a number of processors; use \"0.5\" or \"2\"")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read_value(value: &Value) -> Result<Extras, Fault> {
        let node = Node::new("web", value);
        let mut table = node.table()?;
        let extras = read(&mut table)?;
        table.finish(SUPPORTED)?;
        Ok(extras)
    }

    #[test]
    fn further_settings_are_read() {
        let extras = read_value(&json!({
            "init": true, "cap_add": ["SYS_PTRACE"], "dns": "1.1.1.1", "expose": [80, "53/udp"],
            "extra_hosts": ["a:1.2.3.4", "b=[::1]"], "tmpfs": ["/run", "/t:size=1m"], "attach": false,
            "logging": { "driver": "json-file", "options": { "max-size": "1m" } },
            "deploy": {
                "replicas": 1,
                "resources": { "limits": { "memory": "1.5g", "cpus": "0.5" }, "reservations": { "cpus": 1 } },
                "update_config": { "parallelism": 1 },
            },
        }))
        .unwrap();
        assert_eq!((extras.init, &extras.cap_add[..]), (Some(true), &["SYS_PTRACE".to_owned()][..]));
        assert_eq!(
            (extras.expose, extras.dns),
            (vec!["80/tcp".into(), "53/udp".into()], vec!["1.1.1.1".to_owned()])
        );
        assert_eq!(extras.extra_hosts, ["a:1.2.3.4", "b:::1"]);
        assert_eq!(
            extras.tmpfs,
            BTreeMap::from([("/run".into(), String::new()), ("/t".into(), "size=1m".into())])
        );
        assert_eq!((extras.memory_bytes, extras.nano_cpus), (Some(1_610_612_736), Some(500_000_000)));
        let passed: Vec<_> = extras.notes.iter().filter_map(|note| note.split(' ').next()).collect();
        assert_eq!(passed, ["web.deploy.resources.reservations", "web.deploy.update_config", "web.attach"]);
    }

    #[test]
    fn what_would_change_something_is_refused() {
        for (value, key) in [
            (json!({ "deploy": { "replicas": 2 } }), "web.deploy.replicas"),
            (json!({ "deploy": { "mode": "global" } }), "web.deploy.mode"),
            (json!({ "deploy": { "restart_policy": { "condition": "any" } } }), "web.deploy.restart_policy"),
            (
                json!({ "deploy": { "resources": { "limits": { "memory": "much" } } } }),
                "web.deploy.resources.limits.memory",
            ),
            (json!({ "expose": ["1-9"] }), "web.expose.0"),
            (json!({ "extra_hosts": ["a"] }), "web.extra_hosts.0"),
            (json!({ "pid": "host" }), "web.pid"),
        ] {
            assert_eq!(read_value(&value).unwrap_err().key, key);
        }
    }
}
