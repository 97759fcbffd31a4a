//! A recorded workload as read.

use serde_json::{Map, Value};

/// One thing that must be reproduced.
#[derive(Clone, Debug)]
pub(super) struct KeyFact {
    /// Its name.
    pub(super) name: String,
    /// What the kernel showed.
    pub(super) value: Value,
    /// How far a number may be off, if the recorder says so.
    pub(super) tolerance: Option<f64>,
}

/// A recorded workload.
#[derive(Clone, Debug)]
pub(super) struct Recording {
    /// Topology, settings and behaviour.
    pub(super) parameters: Map<String, Value>,
    /// What must be reproduced.
    pub(super) facts: Vec<KeyFact>,
}

impl Recording {
    /// Reads the JSON of one case.
    pub(super) fn read(value: &Value) -> Result<Recording, String> {
        let parameters = value["parameters"].as_object().ok_or("`parameters` is no object")?.clone();
        let facts = value["key_facts"].as_array().ok_or("`key_facts` is no list")?;
        let facts = facts.iter().map(KeyFact::read).collect::<Result<Vec<_>, _>>()?;
        if facts.is_empty() {
            return Err("it has no key facts".to_owned());
        }
        Ok(Recording { parameters, facts })
    }

    /// The recorded value of a fact, if the recording has it.
    pub(super) fn fact(&self, name: &str) -> Option<&Value> {
        self.facts.iter().find(|fact| fact.name == name).map(|fact| &fact.value)
    }
}

impl KeyFact {
    fn read(value: &Value) -> Result<KeyFact, String> {
        let name = value["name"].as_str().ok_or("a key fact without a name")?.to_owned();
        if value.get("value").is_none() {
            return Err(format!("the key fact `{name}` has no value"));
        }
        Ok(KeyFact { name, value: value["value"].clone(), tolerance: value["tolerance"].as_f64() })
    }
}
