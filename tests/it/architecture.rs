//! The house's table, held against `src`: who may use whom, and the small rules that keep every file readable.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

struct Room {
    name: &'static str,
    /// Rooms it may use besides itself; `spec` is free to all.
    may_use: &'static [&'static str],
    /// Outside crates it must not name.
    never: &'static [&'static str],
}

const WINDOW: [&str; 6] = [
    "egui",
    "eframe",
    "egui_plot",
    "egui_extras",
    "egui_material_icons",
    "rfd",
];

const fn room(name: &'static str, may_use: &'static [&'static str], never: &'static [&'static str]) -> Room {
    Room { name, may_use, never }
}

/// The table. The window's crates are forbidden everywhere but in `app`, so they are not repeated here.
const ROOMS: [Room; 19] = [
    room(
        "spec",
        &[],
        &[
            "burn",
            "crossbeam_channel",
            "rusqlite",
            "rayon",
            "std::thread",
            "std::fs",
        ],
    ),
    room("cost", &[], &["burn"]),
    room("data", &["meter"], &["burn"]),
    room("nn", &["cost", "kernels"], &[]),
    room(
        "inspect",
        &["data"],
        &["burn", "crossbeam_channel", "rusqlite", "std::thread", "std::fs"],
    ),
    room(
        "train",
        &["cost", "data", "nn", "kernels", "inspect", "meter"],
        &["crossbeam_channel", "rusqlite"],
    ),
    room(
        "compress",
        &["cost", "data", "nn", "train", "deploy"],
        &["crossbeam_channel", "rusqlite"],
    ),
    room(
        "classic",
        &["data"],
        &["burn", "crossbeam_channel", "rusqlite", "std::thread", "std::fs"],
    ),
    room("kernels", &[], &["burn"]),
    room("meter", &[], &["burn"]),
    room(
        "deploy",
        &["cost", "data", "nn", "runtime", "meter"],
        &["crossbeam_channel", "rusqlite"],
    ),
    room("runtime", &["kernels"], &["burn", "crossbeam_channel", "rusqlite"]),
    room("store", &[], &["burn"]),
    room("timeline", &[], &["burn", "std::time", "std::fs"]),
    room("compare", &[], &["burn", "std::fs"]),
    room("advice", &["cost", "timeline"], &["burn", "std::fs"]),
    room(
        "jobs",
        &[
            "cost", "data", "nn", "train", "inspect", "classic", "compress", "deploy", "kernels", "meter", "runtime",
            "store", "timeline", "compare",
        ],
        &[],
    ),
    room(
        "cli",
        &["jobs", "store", "timeline", "compare", "advice", "cost"],
        &["burn"],
    ),
    room(
        "app",
        &["cost", "jobs", "timeline", "compare", "advice"],
        &["burn", "rusqlite", "std::fs"],
    ),
];

/// Rooms that do not follow `spec is free to every room`.
const WITHOUT_SPEC: [&str; 2] = ["kernels", "runtime"];

const UNSAFE_ROOMS: [&str; 2] = ["src/kernels/", "src/meter/alloc.rs"];
const LONGEST_FILE: usize = 600;

#[test]
fn the_house_keeps_its_rules() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut broken = Vec::new();
    let mut files = Vec::new();
    collect(&root.join("src"), &mut files);
    collect(&root.join("tests"), &mut files);
    assert!(files.len() > 40, "only {} source files were found", files.len());
    for path in files {
        let name = path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/");
        let text = std::fs::read_to_string(&path).unwrap();
        broken.extend(if is_for_tests_only(&path) {
            shape_violations(&name, &text)
        } else {
            violations(&name, &text)
        });
    }
    assert!(
        broken.is_empty(),
        "{} rules broken:\n{}",
        broken.len(),
        broken.join("\n")
    );
}

#[test]
fn the_top_level_is_the_fixed_one() {
    let fixed = [
        "Cargo.toml",
        "Cargo.lock",
        "LICENSE",
        "README.md",
        "assets",
        "benches",
        "datasets",
        "screenshots",
        "src",
        "tests",
    ];
    let strangers: BTreeSet<String> = std::fs::read_dir(env!("CARGO_MANIFEST_DIR"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|entry| !entry.starts_with('.') && entry != "target" && !fixed.contains(&entry.as_str()))
        .collect();
    assert!(strangers.is_empty(), "not of the fixed top level: {strangers:?}");
}

#[test]
fn every_folder_of_src_is_a_room_of_the_table() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for entry in std::fs::read_dir(source).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().is_dir() {
            assert!(
                ROOMS.iter().any(|room| room.name == name),
                "src/{name} is not in the table"
            );
        } else {
            assert!(
                ["lib.rs", "main.rs"].contains(&name.as_str()),
                "src/{name} is not in a room"
            );
        }
    }
}

#[test]
fn planted_violations_are_found() {
    let doc = "//! Why.\n";
    for (file, text, expected) in [
        ("src/spec/model.rs", "use crate::nn::Network;", "spec uses nn"),
        ("src/spec/model.rs", "use burn::tensor::Tensor;", "spec names burn"),
        (
            "src/cost/mod.rs",
            "use crate::{spec::Shape, data::Samples};",
            "cost uses data",
        ),
        ("src/cost/mod.rs", "use super::train::Thing;", "cost uses train"),
        (
            "src/cost/deep.rs",
            "fn f() { super::super::jobs::go(); }",
            "cost uses jobs",
        ),
        ("src/runtime/mod.rs", "use crate::spec::Shape;", "runtime uses spec"),
        (
            "src/train/run.rs",
            "fn f() { egui::Ui::nothing(); }",
            "train names egui",
        ),
        ("src/train/run.rs", "fn f() { x.unwrap(); }", "unwrap()"),
        ("src/train/run.rs", "fn f() { x.expect(\"y\"); }", "expect("),
        ("src/train/run.rs", "fn f() { unsafe { g() } }", "unsafe"),
        (
            "src/cli/mod.rs",
            "const C: Color32 = Color32::from_rgb(1, 2, 3);",
            "colour literal",
        ),
    ] {
        let found = violations(file, &format!("{doc}{text}\n"));
        assert!(found.iter().any(|line| line.contains(expected)), "{text}: {found:?}");
    }
    assert!(violations("src/spec/x.rs", "pub fn f() {}\n")[0].contains("no `//!`"));
    assert!(violations("src/spec/x.rs", &format!("{doc}{}", "\n".repeat(600)))[0].contains("lines"));
    let innocent = "//! Why.\n// burn::x and crate::nn and x.unwrap()\nconst A: &str = \"crate::nn unwrap() unsafe {\";\n\
                    #[cfg(test)]\nmod tests {\n    fn f() { x.unwrap(); crate::nn::g(); }\n}\n";
    assert_eq!(violations("src/spec/x.rs", innocent), Vec::<String>::new());
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// Whether a module above the file, or the one that owns it, declares it for tests only.
fn is_for_tests_only(path: &Path) -> bool {
    let folder = path.parent().unwrap();
    let is_root = folder.file_name().is_none_or(|name| name == "src");
    let (stem, folder) = if path.file_stem().unwrap() == "mod" && !is_root {
        (folder.file_name().unwrap(), folder.parent().unwrap())
    } else {
        (path.file_stem().unwrap(), folder)
    };
    let stem = stem.to_string_lossy();
    let owner = [folder.join("mod.rs"), folder.with_extension("rs")]
        .into_iter()
        .find(|owner| owner.exists());
    let declared = owner
        .map(|owner| std::fs::read_to_string(owner).unwrap())
        .unwrap_or_default();
    let declared: String = declared.split_whitespace().collect::<Vec<_>>().join(" ");
    let is_declared = ["", "pub(super) ", "pub(crate) "]
        .iter()
        .any(|reach| declared.contains(&format!("#[cfg(test)] {reach}mod {stem};")));
    let owners = [folder.join("mod.rs"), folder.with_extension("rs")];
    let is_owned_by_tests = |owner: &std::path::PathBuf| *owner != *path && owner.exists() && is_for_tests_only(owner);
    is_declared || (stem != "mod" && owners.iter().any(is_owned_by_tests))
}

/// What is wrong with the shape of the file `name`, one line each.
fn shape_violations(name: &str, text: &str) -> Vec<String> {
    let mut broken = Vec::new();
    let mut breaks = |rule: String| broken.push(format!("{name}: {rule}"));
    if !text.trim_start().starts_with("//!") {
        breaks("no `//!` that says why it exists".to_owned());
    }
    if text.lines().count() > LONGEST_FILE {
        breaks(format!("{} lines, over {LONGEST_FILE}", text.lines().count()));
    }
    broken
}

/// What is wrong with the file `name`, one line each.
fn violations(name: &str, text: &str) -> Vec<String> {
    let mut broken = shape_violations(name, text);
    let mut breaks = |rule: String| broken.push(format!("{name}: {rule}"));
    if !name.starts_with("src/") {
        return broken;
    }
    let code = without_tests(&without_comments_and_strings(text));
    if code.contains(".unwrap()") {
        breaks("unwrap() outside tests".to_owned());
    }
    if code.contains(".expect(") {
        breaks("expect() outside tests: expect(".to_owned());
    }
    if words(&code).any(|(_, word)| word == "unsafe") && !UNSAFE_ROOMS.iter().any(|place| name.starts_with(place)) {
        breaks("unsafe outside kernels and meter::alloc".to_owned());
    }
    if name != "src/app/theme.rs"
        && ["Color32::from_", "Color32::WHITE", "hex_color!"]
            .iter()
            .any(|literal| code.contains(literal))
    {
        breaks("colour literal outside app/theme.rs".to_owned());
    }
    let parts: Vec<&str> = name.split('/').collect();
    let [_, owner, rest @ ..] = parts.as_slice() else {
        return broken;
    };
    let Some(room) = ROOMS.iter().find(|room| room.name == *owner) else {
        return broken;
    };
    let depth = rest.len() + usize::from(rest.last() != Some(&"mod.rs"));
    for used in rooms_used(&code, depth) {
        let allowed = used == room.name
            || room.may_use.contains(&used.as_str())
            || (used == "spec" && !WITHOUT_SPEC.contains(&room.name));
        if !allowed && ROOMS.iter().any(|other| other.name == used) {
            breaks(format!("{} uses {used}", room.name));
        }
    }
    let window: &[&str] = if room.name == "app" { &[] } else { &WINDOW };
    for outside in room.never.iter().chain(window) {
        let path = format!("{outside}::");
        let named = code
            .match_indices(&path)
            .any(|(at, _)| !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':'));
        if named || code.contains(&format!("use {outside};")) {
            breaks(format!("{} names {outside}", room.name));
        }
    }
    broken
}

/// Names that follow `crate::`, or as many `super::` as lead to the crate's root, also inside braces.
fn rooms_used(code: &str, depth: usize) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut roots = vec!["crate::".to_owned(), "trimtab::".to_owned()];
    roots.push("super::".repeat(depth));
    for root in roots {
        for (at, _) in code.match_indices(&root) {
            if code[..at].ends_with("super::") {
                continue;
            }
            let tail = &code[at + root.len()..];
            if let Some(group) = tail.strip_prefix('{') {
                let mut level = 0;
                let mut start = true;
                for (offset, c) in group.char_indices() {
                    match c {
                        '{' => level += 1,
                        '}' if level == 0 => break,
                        '}' => level -= 1,
                        ',' if level == 0 => start = true,
                        c if start && !c.is_whitespace() => {
                            found.insert(identifier(&group[offset..]));
                            start = false;
                        }
                        _ => {}
                    }
                }
            } else {
                found.insert(identifier(tail));
            }
        }
    }
    found
}

fn identifier(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

fn words(code: &str) -> impl Iterator<Item = (usize, &str)> {
    code.split(|c: char| !c.is_alphanumeric() && c != '_').enumerate()
}

/// The code with comments gone and string literals emptied.
fn without_comments_and_strings(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if rest.starts_with("//") {
            rest = rest.find('\n').map_or("", |end| &rest[end..]);
        } else if rest.starts_with("/*") {
            rest = rest.find("*/").map_or("", |end| &rest[end + 2..]);
        } else if let Some(raw) = rest.strip_prefix("r#\"") {
            rest = raw.find("\"#").map_or("", |end| &raw[end + 2..]);
            code.push_str("\"\"");
        } else if c == '"' {
            let mut escaped = false;
            let end = rest[1..].char_indices().find_map(|(at, c)| {
                let ends = c == '"' && !escaped;
                escaped = c == '\\' && !escaped;
                ends.then_some(at)
            });
            rest = end.map_or("", |end| &rest[end + 2..]);
            code.push_str("\"\"");
        } else if rest.starts_with("'\"'") {
            rest = &rest[3..];
            code.push_str("' '");
        } else if rest.starts_with("'\\\"'") {
            rest = &rest[4..];
            code.push_str("' '");
        } else {
            code.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    code
}

/// The code without items that are compiled for tests only.
fn without_tests(code: &str) -> String {
    let mut kept = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(at) = rest.find("#[cfg(test)]") {
        kept.push_str(&rest[..at]);
        let item = &rest[at..];
        let open = item.find('{').unwrap_or(item.len());
        let semicolon = item.find(';').unwrap_or(item.len());
        if semicolon < open {
            rest = &item[semicolon + 1..];
            continue;
        }
        let mut level = 0;
        let end = item.char_indices().skip(open).find_map(|(at, c)| {
            level += match c {
                '{' => 1,
                '}' => -1,
                _ => 0,
            };
            (level == 0 && c == '}').then_some(at + 1)
        });
        rest = end.map_or("", |end| &item[end..]);
    }
    kept.push_str(rest);
    kept
}
