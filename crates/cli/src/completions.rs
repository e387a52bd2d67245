//! `ottla completions <shell>`: a script that completes commands and options.
//!
//! Derived from the tables of applets and options; nothing is named here.

use std::io::Write;

use crate::applets::APPLETS;
use crate::context::Context;
use crate::failure::Failure;

/// Prints the script.
pub(crate) async fn run(context: &mut Context, words: &[String]) -> Result<(), Failure> {
    let script = match words {
        [shell] if shell == "bash" => bash(),
        [shell] if shell == "zsh" => {
            format!("autoload -U bashcompinit && bashcompinit\n{}", bash())
        }
        [shell] if shell == "fish" => fish(),
        _ => return Err(Failure::said("usage: ottla completions bash|zsh|fish")),
    };
    Ok(write!(context.out, "{script}")?)
}

fn bash() -> String {
    let mut cases = String::new();
    let mut names = Vec::new();
    for applet in APPLETS {
        let options: Vec<String> =
            applet.options().iter().map(|option| format!("--{}", option.name)).collect();
        let mut called: Vec<String> = vec![applet.name.to_string()];
        for name in applet.kafka_names {
            called.extend([name.to_string(), format!("{name}.sh")]);
        }
        names.extend(called.iter().skip(1).cloned());
        cases.push_str(&format!("    {}) words=\"{}\" ;;\n", called.join("|"), options.join(" ")));
    }
    let applets: Vec<&str> = APPLETS.iter().map(|applet| applet.name).collect();
    format!(
        "_ottla() {{\n  local words called=\"${{COMP_WORDS[0]##*/}}\"\n  \
         if [ \"$called\" = ottla ]; then called=\"${{COMP_WORDS[1]}}\"; fi\n  \
         if [ \"$COMP_CWORD\" = 1 ] && [ \"${{COMP_WORDS[0]##*/}}\" = ottla ]; then\n    \
         words=\"{}\"\n  else\n    case \"$called\" in\n{cases}    esac\n  fi\n  \
         COMPREPLY=($(compgen -W \"$words\" -- \"${{COMP_WORDS[COMP_CWORD]}}\"))\n}}\n\
         complete -o default -F _ottla ottla {}\n",
        applets.join(" "),
        names.join(" ")
    )
}

fn fish() -> String {
    let mut script = String::new();
    for applet in APPLETS {
        let (name, summary) = (applet.name, applet.summary.replace('\'', ""));
        script.push_str(&format!(
            "complete -c ottla -f -n __fish_use_subcommand -a {name} -d '{summary}'\n"
        ));
        for option in applet.options() {
            script.push_str(&format!(
                "complete -c ottla -n '__fish_seen_subcommand_from {name}' -l {}\n",
                option.name
            ));
        }
    }
    script
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_command_and_option_is_completed() {
        for script in [bash(), fish()] {
            for applet in APPLETS {
                assert!(script.contains(applet.name), "{}", applet.name);
            }
            assert!(script.contains("replication-factor"));
        }
    }
}
