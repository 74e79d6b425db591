//! What a scenario found: a table of counts, each with what is asked of it and some examples of what is wrong.

#[derive(Debug)]
enum Rule {
    Noted,
    None,
    AtLeast(usize),
}

#[derive(Debug)]
struct Row {
    what: String,
    count: usize,
    rule: Rule,
    examples: Vec<String>,
}

#[derive(Debug, Default)]
pub struct Findings(Vec<Row>);

impl Findings {
    /// A count that is only reported.
    pub fn note(&mut self, what: &str, count: usize) {
        self.add(what, count, Rule::Noted, Vec::new());
    }

    /// A count below which the scenario proves nothing.
    pub fn at_least(&mut self, what: &str, least: usize, count: usize) {
        self.add(what, count, Rule::AtLeast(least), Vec::new());
    }

    /// What must not be.
    pub fn none(&mut self, what: &str, found: Vec<String>) {
        self.add(what, found.len(), Rule::None, found);
    }

    fn add(&mut self, what: &str, count: usize, rule: Rule, examples: Vec<String>) {
        self.0.push(Row { what: what.to_owned(), count, rule, examples });
    }

    /// What must not be and is.
    #[cfg(test)]
    pub fn broken(&self) -> Vec<&str> {
        self.0.iter().filter(|row| !row.passes()).map(|row| row.what.as_str()).collect()
    }

    /// Prints the table; answers whether all is as it must be.
    pub fn print(&self, title: &str) -> bool {
        println!("\n{title}");
        for row in &self.0 {
            let asked = match row.rule {
                Rule::Noted => String::new(),
                Rule::None => "= 0".to_owned(),
                Rule::AtLeast(least) => format!(">= {least}"),
            };
            let verdict = if row.passes() { "" } else { "  <-- WRONG" };
            println!("  {:<58} {:>7}  {asked}{verdict}", row.what, row.count);
            row.examples.iter().take(5).for_each(|example| println!("      {example}"));
        }
        self.0.iter().all(Row::passes)
    }
}

impl Row {
    fn passes(&self) -> bool {
        match self.rule {
            Rule::Noted => true,
            Rule::None => self.count == 0,
            Rule::AtLeast(least) => self.count >= least,
        }
    }
}
