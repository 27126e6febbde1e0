//! Just enough of Rust's grammar to tell code from comments, literals and tests, and to measure
//! functions. Blanked text keeps its lines and columns.

/// The text with comments, the insides of literals and test code blanked.
pub(super) fn code_of(text: &str) -> String {
    without_tests(&without_prose(text))
}

fn without_prose(text: &str) -> String {
    let source: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while at < source.len() {
        let end = end_of_prose(&source, at);
        if end > at {
            blank(&source[at..end], &mut code);
            at = end;
        } else {
            code.push(source[at]);
            at += 1;
        }
    }
    code
}

fn blank(skipped: &[char], code: &mut String) {
    code.extend(skipped.iter().map(|c| if *c == '\n' { '\n' } else { ' ' }));
}

/// Where the comment or literal that begins here ends; here where none does.
fn end_of_prose(source: &[char], at: usize) -> usize {
    let next = source.get(at + 1).copied().unwrap_or(' ');
    let before = at
        .checked_sub(1)
        .and_then(|at| source.get(at))
        .copied()
        .unwrap_or(' ');
    match source[at] {
        '/' if next == '/' => find(source, at, |c, _| c == '\n'),
        '/' if next == '*' => end_of_block(source, at),
        '"' => end_of_text(source, at + 1),
        'r' if !is_word(before) || matches!(before, 'b' | 'c') => end_of_raw(source, at),
        '\'' => end_of_char(source, at),
        _ => at,
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn find(source: &[char], from: usize, wanted: impl Fn(char, usize) -> bool) -> usize {
    (from..source.len())
        .find(|at| wanted(source[*at], *at))
        .unwrap_or(source.len())
}

fn end_of_block(source: &[char], at: usize) -> usize {
    let mut depth = 0;
    let mut at = at;
    while at < source.len() {
        match (source[at], source.get(at + 1)) {
            ('/', Some('*')) => {
                depth += 1;
                at += 2;
            }
            ('*', Some('/')) => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    at
}

fn end_of_text(source: &[char], mut at: usize) -> usize {
    while at < source.len() {
        match source[at] {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    source.len()
}

/// `r"…"`, `r#"…"#`; a name that begins with r, or a raw name, is none.
fn end_of_raw(source: &[char], at: usize) -> usize {
    let quote = find(source, at + 1, |c, _| c != '#');
    if source.get(quote) != Some(&'"') {
        return at;
    }
    let hashes = quote - at - 1;
    let closes = |c: char, end: usize| {
        c == '"'
            && source[end + 1..].len() >= hashes
            && source[end + 1..=end + hashes].iter().all(|c| *c == '#')
    };
    (find(source, quote + 1, closes) + 1 + hashes).min(source.len())
}

/// `'x'`, `'\n'`; a lifetime is none.
fn end_of_char(source: &[char], at: usize) -> usize {
    match (source.get(at + 1), source.get(at + 2)) {
        (Some('\\'), _) => find(source, at + 3, |c, _| c == '\'') + 1,
        (Some(_), Some('\'')) => at + 3,
        _ => at,
    }
}

/// Blanks each item behind `#[cfg(test)]`; all of it behind `#![cfg(test)]`.
fn without_tests(code: &str) -> String {
    let mut rest = code.to_owned();
    if rest.contains("#![cfg(test)]") {
        return code.lines().map(|_| "\n").collect();
    }
    while let Some(start) = rest.find("#[cfg(test)]") {
        let body = rest[start..].find(['{', ';']).map(|at| start + at);
        let end = match body {
            Some(at) if rest.as_bytes()[at] == b'{' => closing_brace(&rest, at),
            Some(at) => at + 1,
            None => rest.len(),
        };
        let hidden: String = rest[start..end]
            .chars()
            .map(|c| if c == '\n' { '\n' } else { ' ' })
            .collect();
        rest.replace_range(start..end, &hidden);
    }
    rest
}

/// Behind the brace that closes the one at `open`.
fn closing_brace(code: &str, open: usize) -> usize {
    let mut depth = 0;
    for (at, c) in code[open..].char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => continue,
        }
        if depth == 0 {
            return open + at + 1;
        }
    }
    code.len()
}

/// A function with a body.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Function {
    pub(super) name: String,
    /// Its first line, from 1.
    pub(super) line: usize,
    /// From `fn` to its closing brace.
    pub(super) length: usize,
}

/// All functions in code whose prose is blanked.
pub(super) fn functions(code: &str) -> Vec<Function> {
    let mut found = Vec::new();
    for (start, _) in code.match_indices("fn ") {
        let is_name = code[..start].chars().next_back().is_some_and(is_word);
        let name: String = code[start + 3..]
            .chars()
            .take_while(|c| is_word(*c))
            .collect();
        let Some(open) = code[start..].find(['{', ';']).map(|at| start + at) else {
            continue;
        };
        if is_name || name.is_empty() || code.as_bytes()[open] == b';' {
            continue;
        }
        let end = closing_brace(code, open);
        found.push(Function {
            name,
            line: code[..start].matches('\n').count() + 1,
            length: code[start..end].matches('\n').count() + 1,
        });
    }
    found
}

#[test]
fn prose_and_tests_are_no_code() {
    let text = "fn a<'x>(c: &'x str) { // tokio\n  let _ = \"redis:: { \\\" \"; /* a /* b */ c */\n\
                  let _ = ('{', '\\'', r#\"x \" y\"#, br\"}\");\n}\n#[cfg(test)]\nmod t {\n  use kube::X;\n}\nfn b() {\n}\n";
    let code = code_of(text);
    for gone in ["tokio", "redis", "kube", "'{'", "x \" y", "/*"] {
        assert!(!code.contains(gone), "{gone} in {code}");
    }
    assert_eq!(code.lines().count(), text.lines().count());
    let found = functions(&code);
    let names: Vec<_> = found
        .iter()
        .map(|f| (f.name.as_str(), f.line, f.length))
        .collect();
    assert_eq!(names, [("a", 1, 4), ("b", 9, 2)]);
}
