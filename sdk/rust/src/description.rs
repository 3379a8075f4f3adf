use crate::Json;

/// What a plugin offers, for people and tools. The manifest says what it is *allowed*.
#[derive(Debug, Clone, Default)]
pub struct Description {
    /// A short name for people.
    pub title: &'static str,
    /// What the plugin is for, in a sentence or two.
    pub summary: &'static str,
    /// JSON Schema of a connection's configuration.
    pub configuration: Option<Json>,
    /// What can be called.
    pub operations: Vec<Operation>,
    /// What can be read.
    pub streams: Vec<Stream>,
}

/// Something that can be called by name.
#[derive(Debug, Clone, Default)]
pub struct Operation {
    /// `[a-z][a-z0-9-]*`, unique within the plugin.
    pub name: &'static str,
    /// A sentence for people and for models that choose tools.
    pub summary: &'static str,
    /// JSON Schema of the arguments. The default takes anything.
    pub arguments: Json,
    /// JSON Schema of the result. The default promises nothing.
    pub outcome: Json,
    /// An example of the arguments.
    pub example: Option<Json>,
}

/// A stream of records that can be read from a cursor.
#[derive(Debug, Clone, Default)]
pub struct Stream {
    /// `[a-z][a-z0-9-]*`, unique within the plugin.
    pub name: &'static str,
    /// A sentence for people.
    pub summary: &'static str,
    /// JSON Schema of a record.
    pub schema: Json,
    /// Fields that together identify a record.
    pub primary_key: Vec<&'static str>,
    /// The field that an incremental read goes by; none where the stream is always read whole.
    pub cursor_field: Option<&'static str>,
}
