// The unmodified Java SDK as a client that is told what to do, a line at a time; see ../story.ts.
import com.azure.core.exception.HttpResponseException;
import com.azure.core.http.policy.ExponentialBackoffOptions;
import com.azure.core.http.policy.RetryOptions;
import com.azure.core.credential.TokenCredential;
import com.azure.identity.ClientSecretCredentialBuilder;
import com.azure.identity.DefaultAzureCredentialBuilder;
import com.azure.security.keyvault.secrets.SecretClient;
import com.azure.security.keyvault.secrets.SecretClientBuilder;
import com.azure.security.keyvault.secrets.models.KeyVaultSecret;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;

public class Client {
    private static final Map<String, byte[]> BACKUPS = new HashMap<>();
    private static SecretClient client = open(new DefaultAzureCredentialBuilder().build());
    private static final SecretClient READER = open(new ClientSecretCredentialBuilder()
        .tenantId(System.getenv("AZURE_TENANT_ID"))
        .clientId(System.getenv("READER_ID"))
        .clientSecret(System.getenv("READER_SECRET"))
        .build());

    private static SecretClient open(TokenCredential credential) {
        // Without retries of its own: a throttled answer is looked at, not waited for.
        return new SecretClientBuilder()
            .vaultUrl(System.getenv("AZURE_KEYVAULT_URL"))
            .credential(credential)
            .retryOptions(new RetryOptions(new ExponentialBackoffOptions().setMaxRetries(0)))
            .buildClient();
    }

    private static String act(String operation, String name, String value) {
        switch (operation) {
            case "set": {
                KeyVaultSecret secret = new KeyVaultSecret(name, value);
                secret.getProperties().setContentType("text/plain");
                return client.setSecret(secret).getProperties().getVersion();
            }
            case "get":
                return (value.isEmpty() ? client.getSecret(name) : client.getSecret(name, value)).getValue();
            case "list":
                return "" + client.listPropertiesOfSecrets().stream().filter(e -> e.getName().startsWith(name)).count();
            case "update": {
                KeyVaultSecret secret = client.getSecret(name);
                return client.updateSecretProperties(secret.getProperties().setTags(Map.of("team", value)))
                    .getTags().get("team");
            }
            case "delete": {
                var poller = client.beginDeleteSecret(name).setPollInterval(Duration.ofMillis(200));
                poller.waitForCompletion();
                return name;
            }
            case "deleted":
                return client.getDeletedSecret(name).getName();
            case "recover": {
                var poller = client.beginRecoverDeletedSecret(name).setPollInterval(Duration.ofMillis(200));
                poller.waitForCompletion();
                return name;
            }
            case "purge":
                client.purgeDeletedSecret(name);
                return name;
            case "backup":
                BACKUPS.put(name, client.backupSecret(name));
                return "" + BACKUPS.get(name).length;
            case "restore":
                return client.restoreSecretBackup(BACKUPS.get(name)).getName();
            case "read":
                return READER.getSecret(name).getValue();
            case "fresh":
                client = open(new DefaultAzureCredentialBuilder().build());
                return "fresh";
            default:
                throw new IllegalArgumentException("no such operation: " + operation);
        }
    }

    public static void main(String[] args) throws Exception {
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            String[] words = (line + "\t\t").split("\t", -1);
            String answer;
            try {
                answer = "ok\t" + act(words[0], words[1], words[2]);
            } catch (HttpResponseException failure) {
                int status = failure.getResponse() == null ? 0 : failure.getResponse().getStatusCode();
                answer = "error\t" + status + "\t" + failure.getMessage().replaceAll("\\s+", " ");
            } catch (RuntimeException failure) {
                answer = "error\t0\t" + ("" + failure.getMessage()).replaceAll("\\s+", " ");
            }
            System.out.println(answer);
            System.out.flush();
        }
        // The SDK's threads would keep the process alive.
        System.exit(0);
    }
}
