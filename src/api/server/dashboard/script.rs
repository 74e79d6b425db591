//! Removes comments and white space from a script, so that a browser loads less without a build step. Must
//! never change the behaviour of a script: a part that it cannot parse with certainty is left unchanged.

/// Words after which a slash begins a regular expression.
const BEFORE_REGEX: [&str; 6] = ["return", "typeof", "case", "of", "in", "await"];

/// The same script without comments and without white space that has no meaning.
pub(crate) fn compact(script: &str) -> String {
    let mut compactor = Compactor { text: script.as_bytes(), at: 0, out: Vec::with_capacity(script.len()) };
    compactor.code(false);
    // Whole characters were copied or left out.
    String::from_utf8(compactor.out).unwrap_or_else(|_| script.to_owned())
}

struct Compactor<'a> {
    text: &'a [u8],
    at: usize,
    out: Vec<u8>,
}

impl Compactor<'_> {
    fn peek(&self, ahead: usize) -> u8 {
        self.text.get(self.at + ahead).copied().unwrap_or_default()
    }

    fn copy(&mut self) {
        self.out.push(self.text[self.at]);
        self.at += 1;
    }

    /// Code up to its end, or in a template literal up to the brace that closes its expression.
    fn code(&mut self, in_template: bool) {
        let mut depth = 0_usize;
        while self.at < self.text.len() {
            match self.peek(0) {
                b'/' if self.peek(1) == b'/' => self.skip_until(b"\n"),
                b'/' if self.peek(1) == b'*' => {
                    self.skip_until(b"*/");
                    self.at = (self.at + 2).min(self.text.len());
                }
                b'/' if self.regex_can_begin() => self.regex(),
                quote @ (b'"' | b'\'') => self.quoted(quote),
                b'`' => self.template(),
                b' ' | b'\t' | b'\r' | b'\n' => self.space(),
                b'}' if in_template && depth == 0 => return,
                other => {
                    depth = match other {
                        b'{' => depth + 1,
                        b'}' => depth.saturating_sub(1),
                        _ => depth,
                    };
                    self.copy();
                }
            }
        }
    }

    fn skip_until(&mut self, end: &[u8]) {
        let rest = &self.text[self.at..];
        self.at += rest.windows(end.len()).position(|part| part == end).unwrap_or(rest.len());
    }

    /// A line break stays where it can end a statement; a space stays between two words or signs that would
    /// become another one together.
    fn space(&mut self) {
        let from = self.at;
        while matches!(self.peek(0), b' ' | b'\t' | b'\r' | b'\n') {
            self.at += 1;
        }
        let breaks = self.text[from..self.at].contains(&b'\n');
        let before = self.out.last().copied().unwrap_or(b'\n');
        if breaks {
            let after = self.peek(0);
            let goes_on = matches!(before, b'\n' | b'{' | b'(' | b'[' | b',' | b';')
                || matches!(after, b'}' | b')' | b']' | b',')
                // A point after a number would be its own.
                || matches!(after, b'.' | b'?' | b':') && !before.is_ascii_digit();
            if !goes_on {
                self.out.push(b'\n');
            }
            return;
        }
        let clings = |byte: u8| !b"{}()[],;:?=><&|*\n ".contains(&byte);
        if clings(before) && clings(self.peek(0)) {
            self.out.push(b' ');
        }
    }

    /// Whether a slash here begins a regular expression and divides nothing.
    fn regex_can_begin(&self) -> bool {
        let written = self.out.trim_ascii_end();
        let Some(last) = written.last() else { return true };
        if b"(,=:[!&|?{};<>+-*%".contains(last) {
            return true;
        }
        let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$');
        let start = written.iter().rposition(|byte| !is_word(byte)).map_or(0, |place| place + 1);
        BEFORE_REGEX.iter().any(|word| word.as_bytes() == &written[start..])
    }

    fn regex(&mut self) {
        let mut in_class = false;
        self.copy();
        while self.at < self.text.len() && self.peek(0) != b'\n' {
            match self.peek(0) {
                b'\\' => self.copy(),
                b'[' => in_class = true,
                b']' => in_class = false,
                b'/' if !in_class => return self.copy(),
                _ => {}
            }
            self.copy_if_any();
        }
    }

    fn quoted(&mut self, quote: u8) {
        self.copy();
        while self.at < self.text.len() {
            let byte = self.peek(0);
            self.copy();
            if byte == quote {
                return;
            }
            if byte == b'\\' {
                self.copy_if_any();
            }
        }
    }

    /// In markup the white space at the beginning of a line means nothing; in other text it stays.
    fn template(&mut self) {
        let is_markup = self.out.ends_with(b"html");
        self.copy();
        while self.at < self.text.len() {
            match self.peek(0) {
                b'`' => return self.copy(),
                b'\\' => {
                    self.copy();
                    self.copy_if_any();
                }
                b'$' if self.peek(1) == b'{' => {
                    self.copy();
                    self.copy();
                    self.code(true);
                    self.copy_if_any();
                }
                b'\n' if is_markup => {
                    let before = self.out.last().copied().unwrap_or_default();
                    self.at += 1;
                    while self.peek(0) == b' ' {
                        self.at += 1;
                    }
                    // Between two tags the line break means nothing either.
                    if self.peek(0) != b'<' || !matches!(before, b'>' | b'}') {
                        self.out.push(b'\n');
                    }
                }
                _ => self.copy(),
            }
        }
    }

    fn copy_if_any(&mut self) {
        if self.at < self.text.len() {
            self.copy();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_white_space_go_and_the_meaning_stays() {
        let cases = [
            ("// a\n/** b\n * c */\nconst  x = 1; // d\n", "const x=1;"),
            ("const a = b / c / d; // e", "const a=b / c / d;"),
            ("return /[/\"`]\\//.test(x)", "return /[/\"`]\\//.test(x)"),
            ("x = \"// no\" + 'it\\'s /* no */';", "x=\"// no\" + 'it\\'s /* no */';"),
            ("a = `// ${b /* c */ + `}${ {d: 1}.d }`} /*`;", "a=`// ${b + `}${{d:1}.d}`} /*`;"),
            ("a + +b - -c", "a + +b - -c"),
            ("let x\nx++\ny", "let x\nx++\ny"),
            ("html`<p>\n    a  b\n  </p>`", "html`<p>\na  b\n</p>`"),
            ("html`<p>\n  <b>${c}\n  </b>\n${d}</p>`", "html`<p><b>${c}</b>\n${d}</p>`"),
            ("a\n  .b()\n  ? c\n  : d\n}", "a.b()?c:d}"),
            ("x = 1\n.b", "x=1\n.b"),
            ("x = `a\n  b`", "x=`a\n  b`"),
            ("if (a) return\n\n\n/re/.test(b)", "if(a)return\n/re/.test(b)"),
            ("const { a, b } = c ? d : e;\n}", "const{a,b}=c?d:e;}"),
            ("f(\n  1,\n  \"ü\",\n)", "f(1,\"ü\",)"),
        ];
        for (given, expected) in cases {
            assert_eq!(compact(given).trim_end(), expected, "{given}");
        }
        // What does not end stays whole.
        for odd in ["`${", "\"\\", "/[", "/*", "a = `x"] {
            assert!(compact(odd).len() <= odd.len());
        }
    }
}
