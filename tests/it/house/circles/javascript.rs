//! No two modules of the dashboard or of the TypeScript client import one another, directly or in a
//! longer circle. Imports of types count too.

use std::collections::BTreeSet;

use super::graph::{Graph, circles};
use crate::house::tidy::{Source, files};

#[test]
fn no_modules_of_the_dashboard_import_one_another() {
    let modules = files("web", &["js"]);
    let pages: Vec<_> = modules.into_iter().filter(|module| !module.path.starts_with("web/test/")).collect();
    assert_no_circles(&pages, "web/app.js");
}

#[test]
fn no_modules_of_the_typescript_client_import_one_another() {
    assert_no_circles(
        &files("clients/typescript/src", &["ts", "tsx"]),
        "clients/typescript/src/react/index.ts",
    );
}

#[test]
fn a_circle_is_found_whatever_its_length_and_its_form() {
    let module = |path: &str, text: &str| Source { path: path.to_owned(), text: text.to_owned() };
    let modules = [
        module("a/one.ts", "import type { Two } from \"../b/two.js\";\n// import { x } from \"./four.js\";"),
        module("b/two.tsx", "export {\n  three,\n} from './three.js';\nimport \"react\";"),
        module("b/three.ts", "const later = () => import(\"../a/one.js\");"),
        module("a/four.ts", "import { one } from \"./one.js\";"),
    ];
    let circle = ["a/one.ts", "b/two.tsx", "b/three.ts"].map(str::to_owned).to_vec();
    assert_eq!(circles(&graph(&modules)), BTreeSet::from([circle]));
}

/// `entry` is a module that imports others, so that a folder that moved away is noticed.
fn assert_no_circles(modules: &[Source], entry: &str) {
    let graph = graph(modules);
    assert!(graph.get(entry).is_some_and(|imports| !imports.is_empty()), "{entry} imports nothing");
    let found: Vec<_> = circles(&graph).iter().map(|circle| circle.join(" -> ")).collect();
    assert!(
        found.is_empty(),
        "import one another; move what both need to a module of its own:\n{}",
        found.join("\n")
    );
}

fn graph(modules: &[Source]) -> Graph {
    let known: BTreeSet<_> = modules.iter().map(|module| module.path.as_str()).collect();
    let imports = |module: &Source| {
        let addresses = addresses(&module.text).into_iter().map(|address| resolved(&module.path, &address));
        addresses.filter_map(|path| file(&path, &known)).collect()
    };
    modules.iter().map(|module| (module.path.clone(), imports(module))).collect()
}

/// The relative addresses that a module imports.
fn addresses(text: &str) -> Vec<String> {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with(['/', '*']));
    let code = lines.collect::<Vec<_>>().join("\n").replace('\'', "\"");
    let after = ["from \"", "import \"", "import(\""].into_iter().flat_map(|word| code.split(word).skip(1));
    let quoted = after.filter_map(|rest| rest.split('"').next());
    quoted.filter(|address| address.starts_with('.')).map(str::to_owned).collect()
}

/// The path of an address that the module at `from` imports.
fn resolved(from: &str, address: &str) -> String {
    let mut parts: Vec<_> = from.split('/').collect();
    parts.pop();
    for part in address.split('/') {
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            name => parts.push(name),
        }
    }
    parts.join("/")
}

/// The file of a path: TypeScript imports `x.ts` as `x.js`.
fn file(path: &str, known: &BTreeSet<&str>) -> Option<String> {
    let stem = path.strip_suffix(".js").unwrap_or(path);
    let names = [".js", ".ts", ".tsx"].map(|extension| format!("{stem}{extension}"));
    names.into_iter().find(|name| known.contains(name.as_str()))
}
