//! Reads Rust source files as text, as rustfmt sets them.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A source file without its tests, comments and text.
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    /// The top-level module that it belongs to.
    pub(crate) module: String,
    pub(crate) lines: Vec<String>,
    pub(crate) code: Vec<String>,
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

pub(crate) fn sources(package: &str) -> Vec<Source> {
    let src = root().join(package).join("src");
    let mut paths = Vec::new();
    collect(&src, &mut paths);
    paths.sort();
    paths.iter().map(|path| Source::read(path, &src)).collect()
}

/// Rust files that are no tests.
fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        if name == "tests" || name.ends_with("_tests") {
            continue;
        }
        if path.is_dir() {
            collect(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
}

impl Source {
    fn read(path: &Path, src: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap();
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let lines = without_tests(&lines);
        let inside = path.strip_prefix(src).unwrap();
        let first = inside.components().next().unwrap().as_os_str();
        Self {
            path: path.strip_prefix(root()).unwrap().to_owned(),
            module: Path::new(first)
                .file_stem()
                .unwrap()
                .to_string_lossy()
                .into_owned(),
            code: lines.iter().map(|line| code(line)).collect(),
            lines,
        }
    }

    pub(crate) fn name(&self) -> std::path::Display<'_> {
        self.path.display()
    }

    /// What is named behind `crate::`, as `module::Name`; braces are taken apart.
    pub(crate) fn named(&self) -> BTreeSet<String> {
        let mut named = BTreeSet::new();
        let code = self.code.join(" ");
        for (at, _) in code.match_indices("crate::") {
            // `$crate` and `my_crate` are others.
            let before = code[..at].chars().next_back();
            if before.is_none_or(|before| !before.is_alphanumeric() && !"_$".contains(before)) {
                named.extend(paths(&code[at + "crate::".len()..]));
            }
        }
        named
    }
}

/// Leaves out what stands under `#[cfg(test)]` with a block of its own, to its closing brace.
pub(crate) fn without_tests(lines: &[String]) -> Vec<String> {
    let mut kept = Vec::new();
    let mut rest = lines.iter();
    while let Some(line) = rest.next() {
        if line.trim() != "#[cfg(test)]" {
            kept.push(line.clone());
            continue;
        }
        let close = format!("{}}}", &line[..line.len() - line.trim_start().len()]);
        let opens = rest.next().is_some_and(|line| line.ends_with('{'));
        if opens {
            rest.by_ref().find(|line| **line == close);
        }
    }
    kept
}

/// A line without comment and without what stands in quotes.
pub(crate) fn code(line: &str) -> String {
    let mut code = String::new();
    let (mut quoted, mut escaped) = (false, false);
    for (at, letter) in line.char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '/' if !quoted && line[at..].starts_with("//") => break,
            _ if quoted => {}
            _ => code.push(letter),
        }
    }
    code
}

/// The paths that a use tree begins with: `a::{b, c}` is a::b and a::c.
pub(crate) fn paths(tree: &str) -> Vec<String> {
    let end = tree
        .find(|letter: char| !letter.is_alphanumeric() && letter != '_')
        .unwrap_or(tree.len());
    let (first, rest) = tree.split_at(end);
    let join = |inner: String| match inner.as_str() {
        "" => first.to_owned(),
        inner if first.is_empty() => inner.to_owned(),
        inner => format!("{first}::{inner}"),
    };
    if first.is_empty() && rest.starts_with('{') {
        return branches(rest)
            .iter()
            .flat_map(|branch| paths(branch.trim()))
            .collect();
    }
    match rest.strip_prefix("::") {
        Some(inner) => paths(inner.trim()).into_iter().map(join).collect(),
        None => vec![first.to_owned()],
    }
}

/// The parts between the outermost braces at the front of `tree`.
fn branches(tree: &str) -> Vec<String> {
    let (mut parts, mut depth) = (vec![String::new()], 0);
    for letter in tree.chars() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        match letter {
            '{' if depth == 1 => {}
            _ if depth == 0 => break,
            ',' if depth == 1 => parts.push(String::new()),
            letter => parts.last_mut().unwrap().push(letter),
        }
    }
    parts.retain(|part| !part.trim().is_empty());
    parts
}

/// Each function with its line, its name and how many lines it has, as rustfmt sets it.
pub(crate) fn functions(source: &Source) -> Vec<(usize, String, usize)> {
    let mut functions = Vec::new();
    for (at, line) in source.code.iter().enumerate() {
        let Some((before, name)) = line.split_once("fn ") else {
            continue;
        };
        let words = "pub(crate) pub(super) pub const async";
        if !before.split_whitespace().all(|word| words.contains(word)) {
            continue;
        }
        let indent = &line[..line.len() - line.trim_start().len()];
        let name = name.split(['(', '<']).next().unwrap_or(name).to_owned();
        let ends = |line: &String| {
            line.strip_prefix(indent)
                .is_some_and(|rest| rest == "}" || (!rest.starts_with(' ') && rest.ends_with(';')))
        };
        let one_line = line.ends_with('}') || line.ends_with(';');
        let length = source.lines[at + 1..].iter().position(ends);
        let length = if one_line {
            1
        } else {
            length.map_or(1, |length| length + 2)
        };
        functions.push((at + 1, name, length));
    }
    functions
}
