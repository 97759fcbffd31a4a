//! A real browser, driven from outside: what a reader does to a page, and what becomes of it. Pointer and keys are events of
//! the browser itself, as from a mouse and a keyboard; a script in the page is used for nothing but to look.

use std::future::Future;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chromiumoxide::cdp::browser_protocol::log::EventEntryAdded;
use chromiumoxide::cdp::browser_protocol::network::EventRequestWillBeSent;
use chromiumoxide::cdp::js_protocol::runtime::{EventConsoleApiCalled, EventExceptionThrown};
use chromiumoxide::listeners::EventStream;
use chromiumoxide::page::ScreenshotParams;
use chromiumoxide::types::{Command, Method, MethodId};
use chromiumoxide::{Browser as Chrome, BrowserConfig, Element, Page as Tab};
use futures::StreamExt;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

use crate::equipment;

/// How long the browser may be busy before it is given up: a test machine may be slow, and nothing waits longer than it must.
const PATIENCE: Duration = Duration::from_mins(5);

/// A browser.
pub struct Browser {
    chrome: Option<Chrome>,
    runtime: Arc<Runtime>,
    /// Its profile.
    _profile: TempDir,
}

/// What a page is looked at with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Screen {
    /// Pixels from left to right.
    pub width: u32,
    /// Pixels from top to bottom.
    pub height: u32,
    /// The reader's system is dark.
    pub dark: bool,
    /// It is paper.
    pub paper: bool,
}

impl Screen {
    /// A desk.
    pub const DESK: Screen = Screen { width: 1_280, height: 900, dark: false, paper: false };
    /// A phone.
    pub const PHONE: Screen = Screen { width: 400, height: 800, dark: false, paper: false };

    /// Paper: A4, less its margins.
    pub const PAPER: Screen = Screen { width: 718, height: 1_000, dark: false, paper: true };

    /// The same at night.
    pub const fn dark(self) -> Screen {
        Screen { dark: true, ..self }
    }
}

/// What an event of the pointer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pointer {
    /// It moves, and no button is held.
    Move,
    /// It moves with its button held.
    Drag,
    /// The button goes down.
    Press,
    /// The button comes up.
    Release,
}

/// A page that is open, until it is dropped.
pub struct Page {
    tab: Tab,
    body: Option<Element>,
    runtime: Arc<Runtime>,
    heard: Arc<Mutex<Heard>>,
}

#[derive(Default)]
struct Heard {
    complaints: Vec<String>,
    requests: Vec<String>,
}

/// A command of the browser's protocol by its name, with its fields, and the answer as it comes: a browser that is newer than its
/// driver says more than that knows.
#[derive(Debug)]
struct Raw(&'static str, Value);

impl Serialize for Raw {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.1.serialize(serializer)
    }
}

impl Method for Raw {
    fn identifier(&self) -> MethodId {
        self.0.into()
    }
}

impl Command for Raw {
    type Response = Value;
}

impl Browser {
    /// The browser of this machine; none, and a loud word, if there is none.
    ///
    /// # Panics
    /// If it does not start.
    pub fn find(what: &str) -> Option<Browser> {
        let profile = tempfile::tempdir().expect("a place for its profile");
        // Tests run as root in a container, where its sandbox cannot.
        let config = BrowserConfig::builder()
            .user_data_dir(profile.path())
            .no_sandbox()
            .args(["--disable-component-update", "--hide-scrollbars"])
            .launch_timeout(PATIENCE)
            .request_timeout(PATIENCE)
            .build();
        let config = match config {
            Ok(config) => config,
            Err(why) => {
                equipment::left_out(what, &why);
                return None;
            }
        };
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("threads");
        let (chrome, mut handler) = runtime.block_on(Chrome::launch(config)).expect("the browser starts");
        runtime.spawn(async move { while handler.next().await.is_some() {} });
        Some(Browser { chrome: Some(chrome), runtime: Arc::new(runtime), _profile: profile })
    }

    /// Opens a file and waits until it has been loaded.
    ///
    /// # Panics
    /// If it cannot be opened.
    pub fn open(&self, file: &Path, screen: Screen) -> Page {
        let chrome = self.chrome.as_ref().expect("it is open");
        let tab = self.runtime.block_on(chrome.new_page("about:blank")).expect("a tab");
        let heard = Arc::default();
        let mut page = Page { tab, body: None, runtime: Arc::clone(&self.runtime), heard };
        page.hear(|heard, said: Arc<EventConsoleApiCalled>| heard.complaints.push(format!("{said:?}")));
        page.hear(|heard, thrown: Arc<EventExceptionThrown>| heard.complaints.push(format!("{thrown:?}")));
        page.hear(|heard, added: Arc<EventEntryAdded>| heard.complaints.push(format!("{added:?}")));
        page.hear(|heard, sent: Arc<EventRequestWillBeSent>| heard.requests.push(sent.request.url.clone()));
        for domain in ["Log.enable", "Runtime.enable", "Network.enable"] {
            page.call(domain, json!({}));
        }
        page.look_with(screen);
        let address = format!("file://{}", file.display());
        page.wait(page.tab.goto(address)).expect("it is there");
        page.body = page.wait(page.tab.find_element("body")).ok();
        page
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if let Some(mut chrome) = self.chrome.take() {
            // It may be gone already; then it is closed, too.
            let _ = self.runtime.block_on(chrome.close());
            let _ = self.runtime.block_on(chrome.wait());
        }
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // The browser may be gone already; then it is closed, too.
        let _ = self.wait(self.tab.clone().close());
    }
}

impl Page {
    fn wait<T>(&self, what: impl Future<Output = T>) -> T {
        self.runtime.block_on(what)
    }

    /// Has something done for each event of a kind, from now on.
    fn hear<E>(&self, mut what: impl FnMut(&mut Heard, Arc<E>) + Send + 'static)
    where
        E: chromiumoxide::cdp::IntoEventKind + Unpin + Send + Sync + 'static,
    {
        let mut events: EventStream<E> = self.wait(self.tab.event_listener()).expect("it is heard");
        let heard = Arc::clone(&self.heard);
        self.runtime.spawn(async move {
            while let Some(event) = events.next().await {
                what(&mut heard.lock().expect("nobody panics with it"), event);
            }
        });
    }

    fn call(&self, name: &'static str, fields: Value) -> Value {
        let answer = self.wait(self.tab.execute(Raw(name, fields)));
        answer.unwrap_or_else(|e| panic!("{name}: {e}")).result
    }

    /// Another screen for the same page.
    pub fn look_with(&self, screen: Screen) {
        self.call(
            "Emulation.setDeviceMetricsOverride",
            json!({
                "width": screen.width, "height": screen.height, "deviceScaleFactor": 1, "mobile": false,
            }),
        );
        let scheme = if screen.dark { "dark" } else { "light" };
        self.call(
            "Emulation.setEmulatedMedia",
            json!({
                "media": if screen.paper { "print" } else { "" },
                "features": [{"name": "prefers-color-scheme", "value": scheme}],
            }),
        );
        // Two pictures later everything stands where it belongs.
        self.ask("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(0))))");
    }

    /// What an expression of script is, looked at in the page.
    ///
    /// # Panics
    /// If it throws.
    pub fn ask(&self, expression: &str) -> Value {
        let asked = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let answer = self.call("Runtime.evaluate", asked);
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {}", answer["exceptionDetails"]);
        answer["result"]["value"].clone()
    }

    /// The same where it is a text.
    pub fn text(&self, expression: &str) -> String {
        self.ask(expression).as_str().unwrap_or_else(|| panic!("{expression} is no text")).to_owned()
    }

    /// The pointer does something at a place of the screen.
    pub fn pointer(&self, what: Pointer, x: f64, y: f64) {
        let (kind, button, buttons) = match what {
            Pointer::Move => ("mouseMoved", "none", 0),
            Pointer::Drag => ("mouseMoved", "left", 1),
            Pointer::Press => ("mousePressed", "left", 1),
            Pointer::Release => ("mouseReleased", "left", 0),
        };
        self.mouse(kind, (button, buttons), 1, (x, y));
    }

    /// The button goes down and comes up so many times at one place.
    pub fn click(&self, times: u32, x: f64, y: f64) {
        self.mouse("mouseMoved", ("none", 0), 0, (x, y));
        for count in 1..=times {
            self.mouse("mousePressed", ("left", 1), count, (x, y));
            self.mouse("mouseReleased", ("left", 0), count, (x, y));
        }
    }

    fn mouse(&self, kind: &str, (button, buttons): (&str, u32), count: u32, (x, y): (f64, f64)) {
        self.call(
            "Input.dispatchMouseEvent",
            json!({
                "type": kind, "x": x, "y": y, "button": button, "buttons": buttons, "clickCount": count,
            }),
        );
    }

    /// A finger touches a place of the screen and leaves it again.
    pub fn tap(&self, x: f64, y: f64) {
        self.swipe((x, y), (x, y));
    }

    /// A finger goes from one place to another, and leaves the screen there.
    pub fn swipe(&self, from: (f64, f64), to: (f64, f64)) {
        let touch = |kind: &str, at: &[(f64, f64)]| {
            let points: Vec<Value> = at.iter().map(|(x, y)| json!({"x": x, "y": y})).collect();
            self.call("Input.dispatchTouchEvent", json!({"type": kind, "touchPoints": points}));
        };
        touch("touchStart", &[from]);
        if from != to {
            for step in 1..=8 {
                let part = f64::from(step) / 8.0;
                touch("touchMove", &[(from.0 + (to.0 - from.0) * part, from.1 + (to.1 - from.1) * part)]);
            }
        }
        touch("touchEnd", &[]);
    }

    /// A key goes down and comes up, by its name: `ArrowRight`, `+`, `Tab`.
    ///
    /// # Panics
    /// If no key has that name.
    pub fn key(&self, name: &str) {
        let body = self.body.as_ref().expect("it has been opened");
        self.wait(body.press_key(name)).expect("a key");
    }

    /// What a screen reader reads: role, name and level of everything with a name, in order.
    pub fn read_aloud(&self) -> Vec<(String, String, Option<u64>)> {
        let tree = self.call("Accessibility.getFullAXTree", json!({}));
        let nodes = tree["nodes"].as_array().cloned().unwrap_or_default();
        let text = |value: &Value| value["value"].as_str().unwrap_or_default().to_owned();
        let level = |node: &Value| {
            let all = node["properties"].as_array()?;
            all.iter().find(|property| property["name"] == "level")?["value"]["value"].as_u64()
        };
        let nodes = nodes.iter().filter(|node| node["ignored"] != true);
        let read = nodes.map(|node| (text(&node["role"]), text(&node["name"]), level(node)));
        read.filter(|(_, name, _)| !name.is_empty()).collect()
    }

    /// What the console and the browser's log have said until now: errors, and what the page's policy refused.
    pub fn complaints(&self) -> Vec<String> {
        self.heard.lock().expect("nobody panics with it").complaints.clone()
    }

    /// Addresses that the page has asked for, its own first.
    pub fn requests(&self) -> Vec<String> {
        self.heard.lock().expect("nobody panics with it").requests.clone()
    }

    /// How high the whole page is.
    pub fn height(&self) -> u32 {
        let height = self.ask("document.documentElement.scrollHeight").as_u64().expect("a height");
        u32::try_from(height).expect("not that high")
    }

    /// A picture of the screen, as PNG.
    ///
    /// # Panics
    /// If none can be taken.
    pub fn picture(&self) -> Vec<u8> {
        self.wait(self.tab.screenshot(ScreenshotParams::default())).expect("a picture")
    }
}
