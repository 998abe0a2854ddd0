//! Holds `docs/reasons.md` to the codes.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Every `=> "code"` of the modules that define codes.
fn codes() -> BTreeSet<String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut codes = BTreeSet::new();
    for name in ["reason.rs", "ending.rs", "rejection.rs"] {
        let text = fs::read_to_string(source.join(name)).expect("a module");
        let of_codes = text.split("fn code(&self) -> &'static str").nth(1);
        for line in of_codes
            .expect("codes")
            .lines()
            .take_while(|line| *line != "    }")
        {
            let code = line.split("=> \"").nth(1);
            codes.extend(
                code.and_then(|rest| rest.split('"').next())
                    .map(str::to_owned),
            );
        }
        // `ending.rs` has two lists.
        let second = text
            .split("fn code(&self) -> &'static str")
            .nth(2)
            .unwrap_or("");
        for line in second.lines().take_while(|line| *line != "    }") {
            let code = line.split("=> \"").nth(1);
            codes.extend(
                code.and_then(|rest| rest.split('"').next())
                    .map(str::to_owned),
            );
        }
    }
    codes
}

#[test]
fn every_code_is_documented_and_every_documented_code_exists() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reasons.md");
    let page = fs::read_to_string(page).expect("the page");
    let cells = page
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split('|').next());
    let documented: BTreeSet<String> = cells
        .filter(|cell| cell.starts_with('`'))
        .flat_map(|cell| {
            cell.split('`')
                .skip(1)
                .step_by(2)
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .collect();
    let codes = codes();
    assert!(codes.len() > 40, "the search itself works");
    assert_eq!(documented, codes);
}
