//! The actions that the model can take in the page: their descriptions for the model, and their
//! implementation. An action that fails is an answer to the model, not the end of the task.

use std::time::Duration;

use chromiumoxide::cdp::browser_protocol::input::InsertTextParams;
use chromiumoxide::element::Element;
use chromiumoxide::error::CdpError;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};
use url::Url;

use super::page::Tab;
use super::secret_mask::SecretMask;
use crate::browser::{AllowedHosts, within};
use tidemill::JobError;

const LONGEST_WAIT_SECONDS: f64 = 30.0;
const TOO_SLOW: &str = "the page did not react in time";
/// Chooses the option that is called so, or has that value.
const SELECT: &str = "function(wanted) {
    const plain = (text) => text.replace(/\\s+/g, ' ').trim();
    const option = [...this.options].find((option) => plain(option.label) === wanted || option.value === wanted);
    if (!option) return false;
    option.selected = true;
    this.dispatchEvent(new Event('input', {bubbles: true}));
    this.dispatchEvent(new Event('change', {bubbles: true}));
    return true;
}";
const CHOOSE_ALL: &str = "function() { this.focus(); if (this.select) this.select(); else getSelection().selectAllChildren(this); }";

/// One action.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "tool", content = "args", rename_all = "lowercase", deny_unknown_fields)]
pub(super) enum Action {
    Navigate {
        url: String,
    },
    Click {
        element: u32,
    },
    Type {
        element: u32,
        text: String,
        #[serde(default)]
        submit: bool,
    },
    Select {
        element: u32,
        option: String,
    },
    Scroll {
        direction: Direction,
    },
    Read {
        #[serde(default)]
        from: usize,
    },
    Screenshot {},
    Wait {
        seconds: f64,
    },
    Finish {
        success: bool,
        answer: String,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Direction {
    Up,
    Down,
}

/// The names of the tools.
const NAMES: [&str; 9] =
    ["navigate", "click", "type", "select", "scroll", "read", "screenshot", "wait", "finish"];

/// Whether this is the name of a tool, which may be shown.
pub(super) fn is_tool(name: &str) -> bool {
    NAMES.contains(&name)
}

/// The tools in the format of the chat completions protocol.
pub(super) fn described() -> Value {
    let tool = |name: &str, what: &str, properties: Value, required: Value| {
        json!({"type": "function", "function": {
            "name": name, "description": what,
            "parameters": {"type": "object", "properties": properties, "required": required, "additionalProperties": false},
        }})
    };
    let element = json!({"type": "integer", "description": "The number of the element in the list"});
    json!([
        tool("navigate", "Open an address", json!({"url": {"type": "string"}}), json!(["url"])),
        tool("click", "Click an element", json!({"element": element}), json!(["element"])),
        tool(
            "type",
            "Replace the text of a field; {{name}} stands for the secret of that name",
            json!({"element": element, "text": {"type": "string"}, "submit": {"type": "boolean", "description": "Press Enter behind it"}}),
            json!(["element", "text"]),
        ),
        tool(
            "select",
            "Choose an option of a select",
            json!({"element": element, "option": {"type": "string"}}),
            json!(["element", "option"])
        ),
        tool(
            "scroll",
            "Scroll by one screen",
            json!({"direction": {"enum": ["up", "down"]}}),
            json!(["direction"])
        ),
        tool(
            "read",
            "Read more of the page's text",
            json!({"from": {"type": "integer", "description": "From this character on"}}),
            json!([])
        ),
        tool(
            "screenshot",
            "Keep a picture of the page for the person who gave the task",
            json!({}),
            json!([])
        ),
        tool(
            "wait",
            "Wait for the page",
            json!({"seconds": {"type": "number", "maximum": LONGEST_WAIT_SECONDS}}),
            json!(["seconds"])
        ),
        tool(
            "finish",
            "End the task, done or not",
            json!({"success": {"type": "boolean"}, "answer": {"type": "string", "description": "What was found or done, or why it could not be"}}),
            json!(["success", "answer"]),
        ),
    ])
}

impl Action {
    /// Parses a model's call; the error is for the model.
    pub(super) fn read(name: &str, arguments: &str) -> Result<Self, String> {
        let arguments = if arguments.trim().is_empty() { "{}" } else { arguments };
        let args: Value = serde_json::from_str(arguments)
            .map_err(|error| format!("the arguments are not JSON: {error}"))?;
        serde_json::from_value(json!({"tool": name, "args": args}))
            .map_err(|error| format!("this call cannot be done: {error}"))
    }

    /// The element that it is about.
    pub(super) fn element(&self) -> Option<u32> {
        match self {
            Self::Click { element } | Self::Type { element, .. } | Self::Select { element, .. } => {
                Some(*element)
            }
            _ => None,
        }
    }

    /// Carries it out; returns the answer for the model.
    pub(super) async fn perform(
        &self,
        tab: &mut Tab,
        hosts: &AllowedHosts,
        mask: &mut SecretMask,
    ) -> Result<Result<String, String>, JobError> {
        let outcome = match self {
            Self::Navigate { url } => navigate(tab, hosts, url).await,
            Self::Click { element } => with(tab, *element, async |found| click(&found).await).await,
            Self::Type { element, text, submit } => {
                let text = mask.fill(text);
                let tab = &*tab;
                with(tab, *element, async |found| fill(tab, &found, &text, *submit).await).await
            }
            Self::Select { element, option } => {
                with(tab, *element, async |found| select(&found, option).await).await
            }
            Self::Scroll { direction } => scroll(tab, *direction).await,
            Self::Read { from } => Ok(tab.observe(mask).await?.text_from(*from)),
            Self::Screenshot {} => Ok("a picture was kept".to_owned()),
            Self::Wait { seconds } => {
                sleep(Duration::from_secs_f64(if seconds.is_finite() {
                    seconds.clamp(0.0, LONGEST_WAIT_SECONDS)
                } else {
                    0.0
                }))
                .await;
                Ok("waited".to_owned())
            }
            Self::Finish { answer, .. } => return Ok(Ok(answer.clone())),
        };
        tab.settle().await;
        Ok(outcome)
    }
}

async fn navigate(tab: &Tab, hosts: &AllowedHosts, url: &str) -> Result<String, String> {
    let url = Url::parse(url).map_err(|error| format!("{url} is not an address: {error}"))?;
    hosts.check(&url).map_err(|refused| refused.to_string())?;
    tab.go(url.as_str()).await?;
    Ok("opened".to_owned())
}

async fn scroll(tab: &Tab, direction: Direction) -> Result<String, String> {
    let sign = if direction == Direction::Down { "" } else { "-" };
    let scroll = tab.page.evaluate(format!("window.scrollBy(0, {sign}0.9 * innerHeight)"));
    match within(tab.command_timeout(), scroll).await {
        Ok(_) => Ok("scrolled".to_owned()),
        Err(CdpError::Timeout) => Err(TOO_SLOW.to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// Acts on an element, within a time limit.
async fn with(
    tab: &Tab,
    number: u32,
    run: impl AsyncFnOnce(Element) -> Result<String, String>,
) -> Result<String, String> {
    let selector = format!("[data-tidemill-ref=\"{number}\"]");
    let work = async {
        let found = tab
            .page
            .find_element(selector)
            .await
            .map_err(|_| format!("there is no element {number} on the page now"))?;
        run(found).await
    };
    timeout(tab.command_timeout(), work).await.unwrap_or_else(|_| Err(TOO_SLOW.to_owned()))
}

async fn click(element: &Element) -> Result<String, String> {
    let by_mouse = async {
        element.scroll_into_view().await?;
        element.click().await
    };
    if by_mouse.await.is_err() {
        // Another element may cover it.
        element.call_js_fn("function() { this.click(); }", false).await.map_err(|error| error.to_string())?;
    }
    Ok("clicked".to_owned())
}

async fn fill(tab: &Tab, element: &Element, text: &str, submit: bool) -> Result<String, String> {
    let typed = async {
        element.scroll_into_view().await?;
        element.call_js_fn(CHOOSE_ALL, false).await?;
        // As a whole: not every text can be typed key by key.
        tab.page.execute(InsertTextParams::new(text)).await?;
        if submit {
            element.press_key("Enter").await?;
        }
        Ok::<_, CdpError>(())
    };
    typed.await.map_err(|error| error.to_string())?;
    Ok(if submit { "typed, and Enter pressed" } else { "typed" }.to_owned())
}

async fn select(element: &Element, option: &str) -> Result<String, String> {
    let wanted = serde_json::to_string(option).unwrap_or_default();
    let call = format!("function() {{ return ({SELECT}).call(this, {wanted}); }}");
    let chosen = element.call_js_fn(call, false).await.map_err(|error| error.to_string())?;
    match chosen.result.value {
        Some(Value::Bool(true)) => Ok("selected".to_owned()),
        _ => Err(format!("there is no option {option:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_read_strictly() {
        assert_eq!(Action::read("click", r#"{"element": 3}"#), Ok(Action::Click { element: 3 }));
        assert_eq!(Action::read("read", ""), Ok(Action::Read { from: 0 }));
        assert!(Action::read("screenshot", "{}").is_ok());
        for (name, arguments) in [
            ("click", "{}"),
            ("click", r#"{"element": -1}"#),
            ("run", "{}"),
            ("click", "{"),
            ("wait", r#"{"seconds": "x"}"#),
        ] {
            assert!(Action::read(name, arguments).is_err(), "{name} {arguments}");
        }
        let described = described();
        let named =
            described.as_array().unwrap().iter().map(|tool| tool["function"]["name"].as_str().unwrap());
        assert_eq!(named.collect::<Vec<_>>(), NAMES);
    }
}
