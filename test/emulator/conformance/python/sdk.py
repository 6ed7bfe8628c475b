"""The unmodified Python SDK against the emulator: every operation the JS suite does. Prints one line of JSON.

All it is told comes from the environment, as with any program: AZURE_*, HTTPS_PROXY and REQUESTS_CA_BUNDLE of
`azure-key-vault-emulator --env`; READER_ID and READER_SECRET are a client that may only see metadata; CONTROL is the
control API.
"""
import json
import os
import urllib.request

from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.identity import ClientSecretCredential, DefaultAzureCredential
from azure.keyvault.secrets import SecretClient

URL = os.environ["AZURE_KEYVAULT_URL"]
results = {}


def control(operation, body):
    # The control API is plain HTTP on loopback: no proxy for it.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(
        f"{os.environ['CONTROL']}/emulator/v1/{operation}",
        data=json.dumps(body).encode(),
        headers={"content-type": "application/json"},
    )
    return json.loads(opener.open(request).read())


def error(call):
    try:
        call()
    except HttpResponseError as failure:
        body = json.loads(failure.response.text())["error"]
        return [failure.status_code, body["code"], body.get("innererror", {}).get("code")]
    return None


client = SecretClient(URL, DefaultAzureCredential())

made = client.set_secret("py", "one", content_type="text/plain", tags={"team": "payments"})
client.set_secret("py", "two")
results["get"] = [client.get_secret("py").value, client.get_secret("py", made.properties.version).value]

for i in range(55):
    control("setSecret", {"vault": "payments", "name": f"many-{i:02}", "value": "v"})
names = [each.name for each in client.list_properties_of_secrets()]
results["list"] = [name for name in names if name.startswith("many-")] == [f"many-{i:02}" for i in range(55)]
results["pages"] = len(list(client.list_properties_of_secrets().by_page()))
results["versions"] = len(list(client.list_properties_of_secret_versions("py")))

updated = client.update_secret_properties("py", made.properties.version, tags={"team": "shop"})
results["update"] = [updated.tags, updated.content_type]

deletion = client.begin_delete_secret("py")
deletion.wait()
deleted = deletion.result()
results["delete"] = [deleted.name, (deleted.scheduled_purge_date - deleted.deleted_date).days]
results["deleted"] = client.get_deleted_secret("py").name
client.begin_recover_deleted_secret("py").wait()
results["recover"] = client.get_secret("py").value
client.begin_delete_secret("py").wait()
client.purge_deleted_secret("py")
results["purge"] = error(lambda: client.get_deleted_secret("py"))

backup = client.backup_secret("many-00")
client.begin_delete_secret("many-00").wait()
client.purge_deleted_secret("many-00")
# The name is free once the purge has settled; the emulator's clock need not be waited for.
control("advanceClock", {"seconds": 10})
results["restore"] = client.restore_secret_backup(backup).name

reader = ClientSecretCredential(os.environ["AZURE_TENANT_ID"], os.environ["READER_ID"], os.environ["READER_SECRET"])
results["role"] = error(lambda: SecretClient(URL, reader).get_secret("many-01"))

# Without retries of its own: azure-core for Python repeats a bare 429, unlike the JS SDK.
control("addFault", {"match": {"route": "getSecret"}, "action": "status", "status": 429, "times": 1})
results["throttled"] = error(lambda: SecretClient(URL, DefaultAzureCredential(), retry_total=0).get_secret("many-01"))

try:
    client.get_secret("no-such")
except ResourceNotFoundError as failure:
    results["absent"] = failure.error.code

print(json.dumps(results))
