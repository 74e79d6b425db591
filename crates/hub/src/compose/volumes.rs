//! Mounts as compose files write them: folders of the machine, and volumes of the engine. Must take a
//! volume only if the file declares it, as compose does.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::compose_error::Fault;
use super::node::Node;

/// A volume that the file declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Volume {
    /// Its name in the engine.
    pub(crate) name: String,
    /// Created outside the project; must exist.
    pub(crate) external: bool,
}

/// The declared volumes by their names in the file.
pub(crate) type Volumes = BTreeMap<String, Volume>;

/// The mounts of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Mount {
    /// `source:target[:options]` in the engine's format.
    Bind(String),
    /// A volume without a name at this place.
    Anonymous(String),
}

/// Reads the declared volumes of a project.
pub(super) fn declared(node: &Node<'_>, project: &str) -> Result<Volumes, Fault> {
    let mut volumes = Volumes::new();
    for (name, node) in node.entries()? {
        let mut volume = Volume { name: format!("{project}_{name}"), external: false };
        if !node.value.is_null() {
            let mut table = node.table()?;
            volume.external = table.read("external", Node::flag)?.unwrap_or(false);
            let own = table.read("name", Node::text)?;
            table.finish("name, external")?;
            volume.name = own.unwrap_or(if volume.external { name.clone() } else { volume.name });
        }
        volumes.insert(name, volume);
    }
    Ok(volumes)
}

/// Reads one item of a service's `volumes`.
pub(super) fn mount(node: &Node<'_>, volumes: &Volumes, folder: &Path) -> Result<Mount, Fault> {
    let (source, target, options) = if let Value::Object(_) = node.value {
        long(node)?
    } else {
        let text = node.text()?;
        let parts: Vec<&str> = text.split(':').collect();
        match parts[..] {
            [target] => (None, target.to_owned(), String::new()),
            [source, target] => (Some(source.to_owned()), target.to_owned(), String::new()),
            [source, target, options] => (Some(source.to_owned()), target.to_owned(), format!(":{options}")),
            _ => return Err(node.fault("is not source:target[:options]")),
        }
    };
    if !target.starts_with('/') {
        return Err(node.fault(format!("mounts at {target:?}, which does not begin with /")));
    }
    let Some(source) = source else { return Ok(Mount::Anonymous(target)) };
    let source = if source.starts_with(['.', '/']) {
        normal(&folder.join(&source))
    } else if source.starts_with('~') {
        return Err(node.fault("begins with ~; name the folder by an absolute path or relative to the file"));
    } else {
        let volume = volumes.get(&source);
        let missing = || node.fault(format!("names the volume {source:?}; declare it under volumes"));
        volume.ok_or_else(missing)?.name.clone()
    };
    Ok(Mount::Bind(format!("{source}:{target}{options}")))
}

type Parts = (Option<String>, String, String);

fn long(node: &Node<'_>) -> Result<Parts, Fault> {
    let mut table = node.table()?;
    let kind = table.read("type", Node::text)?.unwrap_or_else(|| "volume".into());
    let source = table.read("source", Node::text)?;
    let target = table.read("target", Node::text)?.ok_or_else(|| node.fault("has no target"))?;
    let read_only = table.read("read_only", Node::flag)?.unwrap_or(false);
    table.finish("type, source, target, read_only")?;
    let source = match (kind.as_str(), source) {
        ("bind", Some(path)) if path.starts_with(['.', '/']) => Some(path),
        ("bind", Some(path)) => Some(format!("./{path}")),
        ("volume", source) if source.as_deref().is_none_or(|name| !name.starts_with(['.', '/'])) => source,
        _ => return Err(node.fault("is neither a bind with a path nor a volume with a name")),
    };
    Ok((source, target, if read_only { ":ro".into() } else { String::new() }))
}

/// A path without `.` and `..`, which the engine does not accept.
fn normal(path: &Path) -> String {
    let mut parts: Vec<&std::ffi::OsStr> = Vec::new();
    for part in path.components() {
        match part {
            std::path::Component::Normal(part) => parts.push(part),
            std::path::Component::ParentDir => drop(parts.pop()),
            _ => {}
        }
    }
    parts.iter().fold(String::new(), |path, part| format!("{path}/{}", part.display()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn folders_and_volumes_are_mounted() {
        let declared =
            declared(&Node::new("volumes", &json!({ "data": null, "own": { "name": "n" } })), "shop")
                .unwrap();
        let read = |value: Value| mount(&Node::new("v", &value), &declared, Path::new("/srv/shop"));
        let bind = |text: &str| Ok(Mount::Bind(text.into()));
        assert_eq!(read(json!("./a/../b:/b:ro")), bind("/srv/shop/b:/b:ro"));
        assert_eq!(read(json!("data:/d")), bind("shop_data:/d"));
        assert_eq!(read(json!("own:/d")), bind("n:/d"));
        assert_eq!(read(json!("/cache")), Ok(Mount::Anonymous("/cache".into())));
        let long = json!({ "type": "bind", "source": "..", "target": "/x", "read_only": true });
        assert_eq!(read(long), bind("/srv:/x:ro"));
        for bad in [
            json!("other:/d"),
            json!("~/x:/x"),
            json!("data:d"),
            json!("a:/b:c:d"),
            json!({ "type": "tmpfs", "target": "/t" }),
        ] {
            assert!(read(bad.clone()).is_err(), "{bad}");
        }
    }
}
