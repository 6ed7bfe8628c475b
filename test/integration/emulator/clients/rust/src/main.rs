// The unmodified Rust SDK as a client that is told what to do, a line at a time; see ../../story.ts.
use azure_core::credentials::{Secret, TokenCredential};
use azure_core::http::{ClientOptions, RetryOptions};
use azure_core::Error;
use azure_identity::ClientSecretCredential;
use azure_security_keyvault_secrets::models::{
    RestoreSecretParameters, SecretClientGetSecretOptions, SetSecretParameters,
    UpdateSecretPropertiesParameters,
};
use azure_security_keyvault_secrets::{ResourceExt, SecretClient, SecretClientOptions};
use futures::TryStreamExt;
use std::collections::HashMap;
use std::io::{BufRead, Write};
use std::sync::Arc;

fn env(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

fn open_client(id: &str, secret: &str) -> SecretClient {
    let credential: Arc<dyn TokenCredential> =
        ClientSecretCredential::new(&env("AZURE_TENANT_ID"), env(id), Secret::new(env(secret)), None)
            .expect("a credential");
    // Without retries of its own: a throttled answer is looked at, not waited for.
    let client_options = ClientOptions { retry: RetryOptions::none(), ..Default::default() };
    let options = SecretClientOptions { client_options, ..Default::default() };
    SecretClient::new(&env("AZURE_KEYVAULT_URL"), credential, Some(options)).expect("a client")
}

struct Clients {
    writer: SecretClient,
    reader: SecretClient,
    backups: HashMap<String, Vec<u8>>,
}

async fn act(clients: &mut Clients, operation: &str, name: &str, value: &str) -> Result<String, Error> {
    let client = &clients.writer;
    Ok(match operation {
        "set" => {
            let parameters = SetSecretParameters {
                value: Some(value.into()),
                content_type: Some("text/plain".into()),
                ..Default::default()
            };
            let set = client.set_secret(name, parameters.try_into()?, None).await?.into_model()?;
            set.resource_id()?.version.unwrap_or_default()
        }
        "get" => {
            let secret_version = (!value.is_empty()).then(|| value.to_string());
            let options = SecretClientGetSecretOptions { secret_version, ..Default::default() };
            client.get_secret(name, Some(options)).await?.into_model()?.value.unwrap_or_default()
        }
        "list" => {
            let mut count = 0;
            let mut pager = client.list_secret_properties(None)?;
            while let Some(each) = pager.try_next().await? {
                if each.resource_id()?.name.starts_with(name) {
                    count += 1;
                }
            }
            count.to_string()
        }
        "update" => {
            let tags = Some(HashMap::from([("team".to_string(), value.to_string())]));
            let parameters = UpdateSecretPropertiesParameters { tags, ..Default::default() };
            let updated = client.update_secret_properties(name, parameters.try_into()?, None).await?.into_model()?;
            updated.tags.and_then(|tags| tags.get("team").cloned()).unwrap_or_default()
        }
        "delete" => client.delete_secret(name, None).await?.into_model()?.resource_id()?.name,
        "deleted" => client.get_deleted_secret(name, None).await?.into_model()?.resource_id()?.name,
        "recover" => client.recover_deleted_secret(name, None).await?.into_model()?.resource_id()?.name,
        "purge" => {
            client.purge_deleted_secret(name, None).await?;
            name.to_string()
        }
        "backup" => {
            let backup = client.backup_secret(name, None).await?.into_model()?.value.unwrap_or_default();
            let length = backup.len();
            clients.backups.insert(name.to_string(), backup);
            length.to_string()
        }
        "restore" => {
            let secret_backup = clients.backups.get(name).cloned();
            let parameters = RestoreSecretParameters { secret_backup, ..Default::default() };
            client.restore_secret(parameters.try_into()?, None).await?.into_model()?.resource_id()?.name
        }
        "read" => clients.reader.get_secret(name, None).await?.into_model()?.value.unwrap_or_default(),
        "fresh" => {
            clients.writer = open_client("AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET");
            "fresh".to_string()
        }
        _ => panic!("no such operation: {operation}"),
    })
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut clients = Clients {
        writer: open_client("AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET"),
        reader: open_client("READER_ID", "READER_SECRET"),
        backups: HashMap::new(),
    };
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("a line");
        let mut words = line.split('\t');
        let mut word = || words.next().unwrap_or_default();
        let answer = match act(&mut clients, word(), word(), word()).await {
            Ok(answer) => format!("ok\t{answer}"),
            Err(error) => {
                let status = error.http_status().map(u16::from).unwrap_or_default();
                let text = format!("{error:?} {error}");
                format!("error\t{status}\t{}", text.split_whitespace().collect::<Vec<_>>().join(" "))
            }
        };
        println!("{answer}");
        std::io::stdout().flush().expect("standard output");
    }
}
