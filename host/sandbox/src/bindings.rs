//! What `bindgen!` makes of `wit/`: the imports' traits and the types of both sides.
//!
//! One synthetic world imports and exports everything, so that each interface is bound once;
//! which of it a guest gets is decided at the link check.

wasmtime::component::bindgen!({
    path: "../../wit",
    inline: "
        package sophia:host;

        world everything {
            import sophia:plugin/http@0.1.0;
            import sophia:plugin/secrets@0.1.0;
            import sophia:plugin/config@0.1.0;
            import sophia:plugin/log@0.1.0;
            import sophia:plugin/clock@0.1.0;
            import sophia:plugin/random@0.1.0;
            import sophia:plugin/models@0.1.0;
            import sophia:plugin/agents@0.1.0;
            import sophia:plugin/connectors@0.1.0;
            import sophia:plugin/memory@0.1.0;
            import sophia:plugin/timeline@0.1.0;
            import sophia:plugin/budget@0.1.0;

            export sophia:plugin/about@0.1.0;
            export sophia:plugin/connector-calls@0.1.0;
            export sophia:plugin/routing@0.1.0;
            export sophia:plugin/pattern-calls@0.1.0;
        }
    ",
    world: "sophia:host/everything",
    imports: {
        "sophia:plugin/http": async | trappable,
        "sophia:plugin/models": async | trappable,
        "sophia:plugin/agents": async | trappable,
        "sophia:plugin/timeline": async | trappable,
        default: trappable,
    },
    exports: { default: async },
    with: {
        "sophia:plugin/http.body-stream": crate::capabilities::http::BodyStream,
        "sophia:plugin/models.completion-stream": crate::capabilities::models::CompletionStream,
    },
});
