//! What the pattern offers, for people and tools.

use sophia_sdk::{Description, Json, Operation};

const CONFIGURATION: Json = Json::literal(
    r#"{"type":"object","properties":{
"code-review.reviewer-class":{"type":"string","description":"The class of model that reads the diff. `fast` where unset."},
"code-review.judge-class":{"type":"string","description":"The class of model of critic and judge. `fast` where unset."}}}"#,
);

const ARGUMENTS: Json = Json::literal(
    r#"{"type":"object","properties":{
"diff":{"type":"string","maxLength":2097152,"description":"A unified diff as git writes it. At most 200,000 lines and 2,000 files."},
"title":{"type":"string","description":"What the change is called. The first 200 characters are told."},
"description":{"type":"string","description":"What the change is for. The first 500 characters are told."},
"focus":{"type":"array","maxItems":8,"items":{"type":"string"},"description":"What to look at most of all, 100 characters each."},
"max_findings":{"type":"integer","minimum":1,"maximum":50,"default":20},
"token_budget":{"type":"integer","minimum":200,"maximum":32000,"default":1500,"description":"Tokens of the diff in one prompt, estimated upwards; instructions and schema come on top, some 500. A larger diff is split."},
"max_chunks":{"type":"integer","minimum":1,"maximum":64,"default":64,"description":"Parts of the diff that are read. What is left out is listed, and nothing passes then."}},
"required":["diff"],"additionalProperties":false}"#,
);

const OUTCOME: Json = Json::literal(
    r#"{"type":"object","properties":{
"verdict":{"enum":["pass","changes-requested","inconclusive"],"description":"Never `pass` without a finding that stands in the diff, or where the review is not whole."},
"reasons":{"type":"array","items":{"type":"string"}},
"findings":{"type":"array","items":{"type":"object","properties":{
"file":{"type":"string"},"side":{"enum":["old","new"]},"line":{"type":"integer"},"quote":{"type":"string"},
"severity":{"enum":["low","medium","high","critical"]},
"category":{"enum":["security","data-integrity","correctness","performance","usability","maintainability"]},
"message":{"type":"string"},"suggestion":{"type":"string"},"critic":{"type":"string"},
"found_by":{"type":"array","items":{"enum":["reviewer","security","performance"]}}},
"required":["file","side","line","quote","severity","category","message","found_by"]}},
"dropped":{"type":"object","description":"How many findings were dropped, by reason.","additionalProperties":{"type":"integer"}},
"merged":{"type":"integer"},
"skipped":{"type":"array","items":{"type":"object","properties":{"file":{"type":"string"},
"reason":{"enum":["binary","lock-file","generated","foreign","no-lines","line-too-long","too-many-chunks","not-reached"]},
"lines":{"type":"integer"}},"required":["file","reason","lines"]}},
"missing":{"type":"array","items":{"type":"object","properties":{"role":{"type":"string"},"part":{"type":"integer"},
"reason":{"type":"string"},"detail":{"type":"string"}},"required":["role","part","reason"]}},
"chunks":{"type":"integer"},
"usage":{"type":"object","additionalProperties":{"type":"integer"}}},
"required":["verdict","reasons","findings","dropped","merged","skipped","missing","chunks","usage"]}"#,
);

const EXAMPLE: Json = Json::literal(
    r#"{"diff":"--- a/src/pay.rs\n+++ b/src/pay.rs\n@@ -7,2 +7,2 @@ fn pay(order: &Order) {\n-    let total = order.total()?;\n+    let total = order.total().unwrap();\n     charge(total);\n","title":"Simplify pay","focus":["error handling"],"max_findings":5}"#,
);

pub(crate) fn describe() -> Description {
    Description {
        title: "Code review",
        summary: "Three agents read a diff for mistakes, attacks and waste; a critic goes over their findings, a judge \
                  decides. Every finding quotes a line of the diff.",
        configuration: Some(CONFIGURATION),
        operations: vec![Operation {
            name: "run",
            summary: "Reviews a diff. Asks three agents for each part of it, then two more.",
            arguments: ARGUMENTS,
            outcome: OUTCOME,
            example: Some(EXAMPLE),
        }],
        streams: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::{chunk, diff, task::Task};

    #[test]
    fn the_example_can_be_run() {
        let description = describe();
        let operation = &description.operations[0];
        let task = Task::read(operation.example.as_ref().unwrap()).unwrap();
        let files = diff::parse(&task.diff).unwrap();
        assert_eq!(chunk::split(&files, task.token_budget).chunks.len(), 1);
        for schema in [&operation.arguments, &operation.outcome, description.configuration.as_ref().unwrap()] {
            assert_eq!(schema.parse::<Value>().unwrap()["type"], "object");
        }
    }
}
