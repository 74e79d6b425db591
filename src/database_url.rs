//! The URL of a database: one server, or several of which one is the primary, in libpq's format.
//! Only parses and opens nothing; must never repeat the content of a URL, which may be a password.

use url::Url;

/// The parsed parts of a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// A URL for each server, in order, without the parameter of the next field.
    pub servers: Vec<String>,
    /// Whether the chosen server must take writes.
    pub primary: bool,
}

/// Parameters that the driver knows. Others are not passed on, because the driver would log their values.
const KNOWN: [&str; 18] = [
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "statement-cache-capacity",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "options",
];

/// The parameters for the driver, and whether a primary is required.
type Parameters = (Vec<(String, String)>, Option<bool>);

/// Parses a URL; the error describes the problem.
///
/// # Errors
/// If it is not a Postgres URL, or names impossible servers.
pub fn parse(text: &str) -> Result<Parsed, String> {
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err("it has no scheme; it must begin with postgres://".into());
    };
    if !["postgres", "postgresql"].contains(&scheme) {
        return Err("its scheme is not postgres; it must begin with postgres://".into());
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    let (login, hosts) = match authority.rsplit_once('@') {
        Some((login, hosts)) => (format!("{login}@"), hosts),
        None => (String::new(), authority),
    };
    let (query, attrs) = parameters(tail)?;
    let path = tail.split(['?', '#']).next().unwrap_or_default();
    let listed = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    let mut servers: Vec<(String, Option<String>)> =
        if let Some(hosts) = listed("host").filter(|_| hosts.is_empty()) {
            let ports = listed("port").unwrap_or_default();
            let ports: Vec<_> =
                ports.split(',').map(|port| Some(port.to_owned()).filter(|port| !port.is_empty())).collect();
            let hosts: Vec<_> = hosts.split(',').map(str::to_owned).collect();
            if ports.len() > 1 && ports.len() != hosts.len() {
                return Err(format!("it names {} hosts and {} ports", hosts.len(), ports.len()));
            }
            hosts
                .into_iter()
                .enumerate()
                .map(|(at, host)| (host, ports.get(at).or(ports.first()).cloned().flatten()))
                .collect()
        } else {
            hosts.split(',').map(|host| (host.to_owned(), None)).collect()
        };
    if servers.len() > 1 && servers.iter().any(|(host, _)| host.is_empty()) {
        return Err("one of its hosts is empty".into());
    }
    let several = servers.len() > 1;
    let from_query = hosts.is_empty() && listed("host").is_some();
    let pairs: Vec<_> = query
        .iter()
        .filter(|(key, _)| !from_query || !["host", "port"].contains(&key.as_str()))
        .cloned()
        .collect();
    let urls = servers.drain(..).map(|(host, port)| {
        let host = if from_query { in_authority(&host, port.as_deref()) } else { host };
        one(scheme, &login, &host, path, &pairs)
    });
    let servers = urls.collect::<Result<Vec<_>, _>>()?;
    Ok(Parsed { servers, primary: attrs.unwrap_or(several) })
}

/// The parameters for the driver, and whether a primary is required.
fn parameters(tail: &str) -> Result<Parameters, String> {
    let query = tail.split_once('?').map_or("", |(_, query)| query.split('#').next().unwrap_or_default());
    let mut primary = None;
    let mut pairs = Vec::new();
    for (key, value) in url::form_urlencoded::parse(query.as_bytes()) {
        match (&*key, &*value) {
            ("target_session_attrs", "read-write" | "primary") => primary = Some(true),
            ("target_session_attrs", "any") => primary = Some(false),
            ("target_session_attrs", _) => {
                return Err(
                    "its target_session_attrs is not read-write, primary or any; Tidemill needs a server \
                     that accepts writes"
                        .into(),
                );
            }
            (key, value) if KNOWN.contains(&key) || key.starts_with("options[") => {
                pairs.push((key.to_owned(), value.to_owned()));
            }
            // Parameters that only libpq knows, such as channel_binding or connect_timeout.
            _ => {}
        }
    }
    Ok((pairs, primary))
}

/// A host from a parameter, in the form used before the path: an address, or the folder of a socket.
fn in_authority(host: &str, port: Option<&str>) -> String {
    let host = if host.starts_with('/') {
        host.bytes().fold(String::new(), |text, byte| {
            if byte.is_ascii_alphanumeric() {
                format!("{text}{}", char::from(byte))
            } else {
                format!("{text}%{byte:02X}")
            }
        })
    } else if host.contains(':') && !host.starts_with('[') {
        format!("[{host}]")
    } else {
        host.to_owned()
    };
    port.map_or_else(|| host.clone(), |port| format!("{host}:{port}"))
}

fn one(
    scheme: &str,
    login: &str,
    host: &str,
    path: &str,
    pairs: &[(String, String)],
) -> Result<String, String> {
    let text = format!("{scheme}://{login}{host}{path}");
    let mut url = Url::parse(&text).map_err(|error| match error {
        url::ParseError::InvalidPort => {
            "the port is not a number from 0 to 65535; or the password contains one of / ? # @ : which must \
             be written as %2F %3F %23 %40 %3A"
                .to_owned()
        }
        url::ParseError::EmptyHost => "it names a login but no host".to_owned(),
        error => format!("{error}; in a password write %40 for @, %2F for /, %3F for ?, %23 for #"),
    })?;
    if !pairs.is_empty() {
        let mut query = url.query_pairs_mut();
        for (key, value) in pairs {
            query.append_pair(key, value);
        }
    }
    Ok(url.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_server_stays_as_it_is() {
        for text in ["postgres://u:p@h:5433/d", "postgresql://h/d", "postgres:///d?host=%2Frun%2Fpg&user=u"] {
            let parsed = parse(text).unwrap();
            assert_eq!((parsed.servers.len(), parsed.primary), (1, false), "{text}");
        }
        assert_eq!(parse("postgres://u:p@h:5433/d").unwrap().servers, ["postgres://u:p@h:5433/d"]);
        let tls = parse("postgres://u:p@h/d?sslmode=require&channel_binding=require").unwrap();
        assert_eq!(tls.servers, ["postgres://u:p@h/d?sslmode=require"]);
    }

    #[test]
    fn several_servers_are_parsed_and_the_primary_is_meant() {
        let parsed =
            parse("postgres://u:p@h1:1,h2:2,[::1]:3/d?target_session_attrs=read-write&sslmode=disable")
                .unwrap();
        let with = |host: &str| format!("postgres://u:p@{host}/d?sslmode=disable");
        assert_eq!(parsed.servers, [with("h1:1"), with("h2:2"), with("[::1]:3")]);
        assert!(parsed.primary);
        assert!(parse("postgres://h1,h2/d").unwrap().primary, "Tidemill writes");
        assert!(!parse("postgres://h1,h2/d?target_session_attrs=any").unwrap().primary);
        assert!(parse("postgres://h/d?target_session_attrs=primary").unwrap().primary);
        let listed = parse("postgres://u@/d?host=h1,h2&port=1,2").unwrap();
        assert_eq!(listed.servers, ["postgres://u@h1:1/d", "postgres://u@h2:2/d"]);
    }

    #[test]
    fn what_is_wrong_is_named_and_nothing_shown() {
        for (text, words) in [
            ("localhost:5432/hunter2", "no scheme"),
            ("mysql://u:hunter2@h/d", "scheme is not postgres"),
            ("postgres://u:hunter2@h:port/d", "port is not a number"),
            ("postgres://u:hunter2@h1,,h3/d", "hosts is empty"),
            ("postgres://h1,h2/d?target_session_attrs=standby", "target_session_attrs"),
            ("postgres:///d?host=h1,h2&port=1,2,3", "2 hosts and 3 ports"),
        ] {
            let wrong = parse(text).unwrap_err();
            assert!(wrong.contains(words) && !wrong.contains("hunter2"), "{text}: {wrong}");
        }
    }
}
