//! The containers of a project: created from its description with compose's labels, so that compose
//! and the hub see the same project; containers that already match are kept.

use std::collections::HashMap;

use bollard::errors::Error;
use bollard::models::{
    ContainerCreateBody, EndpointSettings, HealthConfig, HostConfig, HostConfigLogConfig,
    NetworkCreateRequest, NetworkingConfig, PortBinding, RestartPolicy, RestartPolicyNameEnum,
    VolumeCreateRequest,
};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, InspectNetworkOptions, RenameContainerOptionsBuilder,
    StartContainerOptions,
};
use sha2::{Digest, Sha256};

use super::recreate;
use crate::cancel::{Rollback, runs};
use crate::compose::{Healthcheck, Mount, Project, Service};
use crate::engine::{FILE, NUMBER, ONCE, OWN, PROJECT, SERVICE, id_of, label};
use crate::engine_error::{failed, is_missing, is_so_already};
use crate::images::image_of;
use crate::work::Work;
use tidemill::JobError;

const CONFIG_HASH: &str = "com.docker.compose.config-hash";

/// The network that services without a mode of their own share.
pub(crate) fn network_of(project: &Project) -> String {
    format!("{}_default", project.name)
}

/// Creates the missing network and volumes.
pub(crate) async fn networks_and_volumes(
    work: &Work<'_>,
    project: &Project,
    rollback: &Rollback,
) -> Result<(), JobError> {
    // Without the second label, compose would not recognise objects created by the hub.
    let labels = |which: &str, name: &str| {
        HashMap::from([
            (PROJECT.to_owned(), project.name.clone()),
            (format!("com.docker.compose.{which}"), name.to_owned()),
        ])
    };
    if project.services.iter().any(|service| service.network_mode.is_none()) {
        let name = network_of(project);
        let doing = format!("making the network {name}");
        match work.engine.inspect_network(&name, None::<InspectNetworkOptions>).await {
            Ok(_) => {}
            Err(error) if is_missing(&error) => {
                let request = NetworkCreateRequest {
                    name,
                    labels: Some(labels("network", "default")),
                    ..NetworkCreateRequest::default()
                };
                rollback.network(request).await.map_err(|error| failed(&doing, &error))?;
            }
            Err(error) => return Err(failed(&doing, &error)),
        }
    }
    for (name, volume) in &project.volumes {
        if volume.external {
            let doing = format!("looking for the external volume {name}");
            work.engine.inspect_volume(&volume.name).await.map_err(|error| failed(&doing, &error))?;
        } else {
            // An existing one is the answer.
            let request = VolumeCreateRequest {
                name: Some(volume.name.clone()),
                labels: Some(labels("volume", name)),
                ..VolumeCreateRequest::default()
            };
            let doing = format!("making the volume {name}");
            work.engine.create_volume(request).await.map_err(|error| failed(&doing, &error))?;
        }
    }
    Ok(())
}

/// Starts a service's container, recreated if it does not match the description; returns its id.
pub(crate) async fn up(
    work: &Work<'_>,
    project: &Project,
    service: &Service,
    rollback: &Rollback,
) -> Result<String, JobError> {
    let doing = format!("starting {}", service.name);
    let refused = |error: Error| failed(&doing, &error);
    let image = image_of(project, service);
    let found = work.engine.inspect_image(&image).await.map_err(refused)?;
    let hash = hash_of(service, found.id.as_deref().unwrap_or_default());
    let mut old = work.engine.containers(&project.name, Some(&service.name)).await?;
    let fitting =
        old.iter().position(|old| label(old, CONFIG_HASH) == Some(hash.as_str())).map(|at| old.remove(at));
    let name = service.container_name.clone();
    let name = name.unwrap_or_else(|| format!("{}-{}-1", project.name, service.name));
    let is_free = !old.iter().any(|old| recreate::has_name(old, &name));
    let (id, has_name) = if let Some(fitting) = &fitting {
        (id_of(fitting).to_owned(), recreate::has_name(fitting, &name))
    } else {
        let first = if is_free { name.clone() } else { format!("{}_{name}", &hash[..12]) };
        let options = CreateContainerOptionsBuilder::new().name(&first).build();
        let of_image = found.config.and_then(|config| config.volumes).unwrap_or_default();
        let mut request = container(project, service, &image, &hash);
        if let Some(binds) = request.host_config.as_mut().and_then(|host| host.binds.as_mut()) {
            binds.extend(recreate::carried(service, &of_image, &old));
        }
        (Box::pin(rollback.container(options, request)).await.map_err(refused)?, is_free)
    };
    // Not earlier: if the new one cannot be created, the old one keeps running.
    for old in &old {
        recreate::retire(work.engine, rollback, old, &id).await.map_err(refused)?;
    }
    if !has_name {
        let options = RenameContainerOptionsBuilder::new().name(&name).build();
        work.engine.rename_container(&id, options).await.map_err(refused)?;
    }
    let started = match &fitting {
        Some(fitting) if !runs(fitting) => rollback.start(&id).await,
        _ => work.engine.start_container(&id, None::<StartContainerOptions>).await,
    };
    match started {
        Err(error) if !is_so_already(&error) => Err(refused(error)),
        _ => Ok(id),
    }
}

/// The inputs of the container: the service's description, its image, and the resolved names and paths in
/// its mounts.
fn hash_of(service: &Service, image_id: &str) -> String {
    let mut digest = Sha256::new();
    digest.update(format!("{}\n{image_id}", service.description));
    for mount in &service.mounts {
        if let Mount::Bind(bind) = mount {
            digest.update(format!("\n{bind}"));
        }
    }
    digest.finalize().iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}

fn container(project: &Project, service: &Service, image: &str, hash: &str) -> ContainerCreateBody {
    let exposed = service.ports.iter().map(|port| port.target.clone());
    let exposed = exposed.chain(service.extras.expose.iter().cloned()).collect();
    let anonymous = service.mounts.iter().filter_map(|mount| match mount {
        Mount::Anonymous(target) => Some(target.clone()),
        Mount::Bind(_) => None,
    });
    let network = service.network_mode.is_none().then(|| {
        let endpoint =
            EndpointSettings { aliases: Some(vec![service.name.clone()]), ..EndpointSettings::default() };
        NetworkingConfig { endpoints_config: Some(HashMap::from([(network_of(project), endpoint)])) }
    });
    ContainerCreateBody {
        image: Some(image.to_owned()),
        cmd: service.command.clone(),
        entrypoint: service.entrypoint.clone(),
        env: Some(service.environment.iter().map(|(name, value)| format!("{name}={value}")).collect()),
        user: service.user.clone(),
        working_dir: service.working_dir.clone(),
        hostname: service.extras.hostname.clone(),
        tty: service.extras.tty,
        open_stdin: service.extras.stdin_open,
        exposed_ports: Some(exposed),
        volumes: Some(anonymous.collect()),
        labels: Some(labels(project, service, hash)),
        stop_signal: service.stop_signal.clone(),
        stop_timeout: service
            .stop_grace_period
            .map(|grace| i64::try_from(grace.as_secs()).unwrap_or(i64::MAX)),
        healthcheck: service.healthcheck.as_ref().map(health),
        host_config: Some(host(project, service)),
        networking_config: network,
        ..ContainerCreateBody::default()
    }
}

fn labels(project: &Project, service: &Service, hash: &str) -> HashMap<String, String> {
    let own = [
        (PROJECT, project.name.clone()),
        (SERVICE, service.name.clone()),
        (CONFIG_HASH, hash.to_owned()),
        (NUMBER, "1".to_owned()),
        (OWN, project.id.clone()),
        (ONCE, "False".to_owned()),
        ("com.docker.compose.project.working_dir", project.folder.display().to_string()),
    ];
    let file = project.file.iter().map(|file| (FILE, file.display().to_string()));
    let own = own.into_iter().chain(file).map(|(name, value)| (name.to_owned(), value));
    service.labels.clone().into_iter().chain(own).collect()
}

fn host(project: &Project, service: &Service) -> HostConfig {
    let mut ports: HashMap<String, Option<Vec<PortBinding>>> = HashMap::new();
    for port in &service.ports {
        let binding = PortBinding { host_ip: port.host_ip.clone(), host_port: port.published.clone() };
        ports.entry(port.target.clone()).or_default().get_or_insert_default().push(binding);
    }
    let binds = service.mounts.iter().filter_map(|mount| match mount {
        Mount::Bind(bind) => Some(bind.clone()),
        Mount::Anonymous(_) => None,
    });
    let extras = &service.extras;
    HostConfig {
        binds: Some(binds.collect()),
        network_mode: Some(service.network_mode.clone().unwrap_or_else(|| network_of(project))),
        port_bindings: Some(ports),
        restart_policy: service.restart.as_deref().map(restart),
        init: extras.init,
        privileged: extras.privileged,
        readonly_rootfs: extras.read_only,
        cap_add: Some(extras.cap_add.clone()),
        cap_drop: Some(extras.cap_drop.clone()),
        dns: Some(extras.dns.clone()),
        extra_hosts: Some(extras.extra_hosts.clone()),
        group_add: Some(extras.group_add.clone()),
        security_opt: Some(extras.security_opt.clone()),
        tmpfs: Some(extras.tmpfs.clone().into_iter().collect()),
        log_config: extras.logging.as_ref().map(|(driver, options)| HostConfigLogConfig {
            typ: (!driver.is_empty()).then(|| driver.clone()),
            config: Some(options.clone().into_iter().collect()),
        }),
        memory: extras.memory_bytes,
        nano_cpus: extras.nano_cpus,
        ..HostConfig::default()
    }
}

fn restart(policy: &str) -> RestartPolicy {
    let (name, times) = policy.split_once(':').unwrap_or((policy, ""));
    let name = match name {
        "always" => RestartPolicyNameEnum::ALWAYS,
        "unless-stopped" => RestartPolicyNameEnum::UNLESS_STOPPED,
        "on-failure" => RestartPolicyNameEnum::ON_FAILURE,
        _ => RestartPolicyNameEnum::NO,
    };
    RestartPolicy { name: Some(name), maximum_retry_count: times.parse().ok() }
}

fn health(check: &Healthcheck) -> HealthConfig {
    let nanoseconds = |lasting: Option<std::time::Duration>| {
        lasting.map(|lasting| i64::try_from(lasting.as_nanos()).unwrap_or(i64::MAX))
    };
    HealthConfig {
        test: Some(check.test.clone()),
        interval: nanoseconds(check.interval),
        timeout: nanoseconds(check.timeout),
        start_period: nanoseconds(check.start_period),
        retries: check.retries,
        start_interval: None,
    }
}
