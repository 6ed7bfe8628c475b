// The unmodified Go SDK as a client that is told what to do, a line at a time; see ../story.ts.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
)

var backups = map[string][]byte{}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func openClient(credential azcore.TokenCredential) *azsecrets.Client {
	options := azsecrets.ClientOptions{}
	// Without retries of its own: a throttled answer is looked at, not waited for.
	options.Retry = policy.RetryOptions{MaxRetries: -1}
	return must(azsecrets.NewClient(os.Getenv("AZURE_KEYVAULT_URL"), credential, &options))
}

func writer() *azsecrets.Client { return openClient(must(azidentity.NewDefaultAzureCredential(nil))) }

func do(client, reader *azsecrets.Client, operation, name, value string) (string, error) {
	ctx := context.Background()
	switch operation {
	case "set":
		kind := "text/plain"
		set, err := client.SetSecret(ctx, name, azsecrets.SetSecretParameters{Value: &value, ContentType: &kind}, nil)
		if err != nil {
			return "", err
		}
		return set.ID.Version(), nil
	case "get":
		got, err := client.GetSecret(ctx, name, value, nil)
		if err != nil {
			return "", err
		}
		return *got.Value, nil
	case "list":
		count := 0
		for pager := client.NewListSecretPropertiesPager(nil); pager.More(); {
			page, err := pager.NextPage(ctx)
			if err != nil {
				return "", err
			}
			for _, each := range page.Value {
				if strings.HasPrefix(each.ID.Name(), name) {
					count++
				}
			}
		}
		return fmt.Sprint(count), nil
	case "update":
		tags := map[string]*string{"team": &value}
		updated, err := client.UpdateSecretProperties(ctx, name, "", azsecrets.UpdateSecretPropertiesParameters{Tags: tags}, nil)
		if err != nil {
			return "", err
		}
		return *updated.Tags["team"], nil
	case "delete":
		gone, err := client.DeleteSecret(ctx, name, nil)
		if err != nil {
			return "", err
		}
		return gone.ID.Name(), nil
	case "deleted":
		gone, err := client.GetDeletedSecret(ctx, name, nil)
		if err != nil {
			return "", err
		}
		return gone.ID.Name(), nil
	case "recover":
		back, err := client.RecoverDeletedSecret(ctx, name, nil)
		if err != nil {
			return "", err
		}
		return back.ID.Name(), nil
	case "purge":
		_, err := client.PurgeDeletedSecret(ctx, name, nil)
		return name, err
	case "backup":
		backup, err := client.BackupSecret(ctx, name, nil)
		backups[name] = backup.Value
		return fmt.Sprint(len(backup.Value)), err
	case "restore":
		back, err := client.RestoreSecret(ctx, azsecrets.RestoreSecretParameters{SecretBackup: backups[name]}, nil)
		if err != nil {
			return "", err
		}
		return back.ID.Name(), nil
	case "read":
		got, err := reader.GetSecret(ctx, name, "", nil)
		if err != nil {
			return "", err
		}
		return *got.Value, nil
	}
	return "", fmt.Errorf("no such operation: %s", operation)
}

func main() {
	client := writer()
	reader := openClient(must(azidentity.NewClientSecretCredential(
		os.Getenv("AZURE_TENANT_ID"), os.Getenv("READER_ID"), os.Getenv("READER_SECRET"), nil)))
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		words := append(strings.Split(lines.Text(), "\t"), "", "")
		if words[0] == "fresh" {
			client = writer()
			fmt.Println("ok\tfresh")
			continue
		}
		answer, err := do(client, reader, words[0], words[1], words[2])
		var response *azcore.ResponseError
		switch {
		case errors.As(err, &response):
			fmt.Printf("error\t%d\t%s\n", response.StatusCode, strings.Join(strings.Fields(err.Error()), " "))
		case err != nil:
			fmt.Printf("error\t0\t%s\n", strings.Join(strings.Fields(err.Error()), " "))
		default:
			fmt.Printf("ok\t%s\n", answer)
		}
	}
}
