//! The sections of extensions that this build lacks: a config that has one is refused with the name
//! of the feature that it needs. Must be empty where all features are built.

use tidemill_settings::section::Reader;

const LEFT_OUT: &[(&str, &str)] = &[
    #[cfg(not(feature = "browser"))]
    ("agent", "browser"),
    #[cfg(not(feature = "browser"))]
    ("bughive", "browser"),
    #[cfg(not(feature = "docker"))]
    ("hub", "docker"),
];

/// Reports every such section of the config.
pub(crate) fn refuse(reader: &mut Reader<'_>) {
    for (section, feature) in LEFT_OUT {
        if reader.take(section) {
            let message = format!(
                "this tidemill was built without the feature {feature}; build it with that feature, or remove the \
                 section"
            );
            reader.report_here(section, message);
        }
    }
}
