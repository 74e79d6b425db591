//! Published ports as compose files write them. Must refuse ranges, for which a service has no single
//! port to name.

use serde_json::Value;

use super::compose_error::Fault;
use super::node::Node;

/// A port of a container that is reached from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Port {
    /// Such as `80/tcp`.
    pub(crate) target: String,
    /// The port of the machine; any free one if `None`.
    pub(crate) published: Option<String>,
    /// The address of the machine; all if `None`.
    pub(crate) host_ip: Option<String>,
}

const FORMS: &str = "use 80, \"8080:80\", \"127.0.0.1:8080:80\" or \"8080:80/udp\"; ranges are not supported";

/// Reads one item of `ports`.
pub(super) fn read(node: &Node<'_>) -> Result<Port, Fault> {
    if matches!(node.value, Value::Object(_)) {
        return long(node);
    }
    let text = node.text()?;
    let (ports, protocol) = text.split_once('/').unwrap_or((&text, "tcp"));
    let mut fields = ports.rsplitn(3, ':');
    let target = fields.next().unwrap_or_default();
    let published = fields.next().filter(|port| !port.is_empty());
    let host_ip = fields.next().map(|ip| ip.trim_matches(['[', ']']).to_owned());
    checked(node, target, protocol, published.map(str::to_owned), host_ip)
}

fn long(node: &Node<'_>) -> Result<Port, Fault> {
    let mut table = node.table()?;
    let target = table.read("target", Node::text)?.ok_or_else(|| node.fault("has no target"))?;
    let protocol = table.read("protocol", Node::text)?.unwrap_or_else(|| "tcp".into());
    let published = table.read("published", Node::text)?;
    let host_ip = table.read("host_ip", Node::text)?;
    table.finish("target, published, host_ip, protocol")?;
    checked(node, &target, &protocol, published, host_ip)
}

fn checked(
    node: &Node<'_>,
    target: &str,
    protocol: &str,
    published: Option<String>,
    host_ip: Option<String>,
) -> Result<Port, Fault> {
    let is_port = |text: &str| text.parse::<u16>().is_ok_and(|port| port > 0);
    if !is_port(target)
        || !published.as_deref().is_none_or(is_port)
        || !["tcp", "udp", "sctp"].contains(&protocol)
    {
        return Err(node.fault(format!("is not a port; {FORMS}")));
    }
    Ok(Port { target: format!("{target}/{protocol}"), published, host_ip })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn all_forms_are_read() {
        let port = |value: Value| read(&Node::new("p", &value));
        let made = |target: &str, published: Option<&str>, ip: Option<&str>| Port {
            target: target.into(),
            published: published.map(Into::into),
            host_ip: ip.map(Into::into),
        };
        assert_eq!(port(json!(80)), Ok(made("80/tcp", None, None)));
        assert_eq!(port(json!("8080:80/udp")), Ok(made("80/udp", Some("8080"), None)));
        assert_eq!(port(json!("127.0.0.1:81:80")), Ok(made("80/tcp", Some("81"), Some("127.0.0.1"))));
        assert_eq!(port(json!("[::1]:81:80")), Ok(made("80/tcp", Some("81"), Some("::1"))));
        assert_eq!(port(json!({ "target": 80, "published": "81" })), Ok(made("80/tcp", Some("81"), None)));
        for bad in [json!("80-90:80-90"), json!("x"), json!("0:80"), json!("80/xyz"), json!({}), json!([])] {
            assert!(port(bad.clone()).is_err(), "{bad}");
        }
        assert_eq!(port(json!({ "target": 80, "mode": "host" })).unwrap_err().key, "p.mode");
    }
}
