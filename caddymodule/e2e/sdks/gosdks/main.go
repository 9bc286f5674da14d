// Gosdks has the clients for Go that take minutes to compile. CI does not.
package main

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/anthropics/anthropic-sdk-go"
	anthropicoption "github.com/anthropics/anthropic-sdk-go/option"
	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/openai/openai-go/v3"
	openaioption "github.com/openai/openai-go/v3/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/caddyfault/caddyfault/caddymodule/e2e/sdks/internal/calls"
)

func main() {
	calls.Main(
		calls.Client{Name: "openai-go", Title: "OpenAI for Go %s", Module: "github.com/openai/openai-go/v3", Send: openAI},
		calls.Client{Name: "anthropic-go", Title: "Anthropic for Go %s", Module: "github.com/anthropics/anthropic-sdk-go", Send: claude},
		calls.Client{Name: "aws-go", Title: "AWS SDK for Go, DynamoDB %s", Module: "github.com/aws/aws-sdk-go-v2/service/dynamodb", Only: "POST", Send: dynamo},
		calls.Client{Name: "grpc-go", Title: "grpc-go %s, 4 attempts on UNAVAILABLE", Module: "google.golang.org/grpc", Only: "POST", Send: remote},
	)
}

func dynamo(ctx context.Context, _, url string) error {
	api := dynamodb.New(dynamodb.Options{
		BaseEndpoint: aws.String(url), Region: "us-east-1", HTTPClient: awshttp.NewBuildableClient().WithTimeout(calls.Timeout),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, nil
		}),
	})
	_, err := api.ListTables(ctx, nil)
	return err
}

// policy is the retry policy in gRPC's guide on retries.
const policy = `{"methodConfig": [{"name": [{}], "retryPolicy": {
	"maxAttempts": 4, "initialBackoff": "0.5s", "maxBackoff": "30s", "backoffMultiplier": 2, "retryableStatusCodes": ["UNAVAILABLE"]}}]}`

// remote calls a method that the URL names.
func remote(ctx context.Context, _, at string) error {
	u, err := url.Parse(at)
	if err != nil {
		return err
	}
	conn, err := grpc.NewClient("passthrough:"+u.Host, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultServiceConfig(policy))
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(ctx, calls.Timeout)
	defer cancel()
	return conn.Invoke(ctx, "/"+strings.Trim(u.Path, "/")+"/Order", &emptypb.Empty{}, &emptypb.Empty{})
}

func openAI(ctx context.Context, method, url string) error {
	api := openai.NewClient(openaioption.WithAPIKey("test"), openaioption.WithBaseURL(url), openaioption.WithHTTPClient(calls.HTTP()))
	if method == http.MethodGet {
		_, err := api.Models.List(ctx)
		return err
	}
	_, err := api.Chat.Completions.New(ctx, openai.ChatCompletionNewParams{
		Model: "m", Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("tea")},
	})
	return err
}

func claude(ctx context.Context, method, url string) error {
	api := anthropic.NewClient(anthropicoption.WithAPIKey("test"), anthropicoption.WithBaseURL(url), anthropicoption.WithHTTPClient(calls.HTTP()))
	if method == http.MethodGet {
		_, err := api.Models.List(ctx, anthropic.ModelListParams{})
		return err
	}
	_, err := api.Messages.New(ctx, anthropic.MessageNewParams{
		Model: "m", MaxTokens: 1, Messages: []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock("tea"))},
	})
	return err
}
