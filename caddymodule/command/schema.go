package command

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/caddyfault/caddyfault/caddymodule/api"
)

func schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema [rule|experiment|handler]",
		Short: "Print the JSON schema of a rule, an experiment or the handler",
		Long: `
An editor uses the schema to complete and to check JSON. The default is the schema of
an experiment. The schema has the kinds of fault and the matchers of this caddy
binary. The command needs no running Caddy.`,
		Example: `  caddy fault schema experiment >experiment.schema.json
  caddy fault schema handler >handler.schema.json`,
		ValidArgs: api.SchemaNames(),
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return fmt.Errorf("unexpected argument '%s': name one of %s", args[1], strings.Join(api.SchemaNames(), ", "))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			name := "experiment"
			if len(args) > 0 {
				name = args[0]
			}
			schema, err := api.Schema(name)
			if err != nil {
				return err
			}
			return api.Encode(cmd.OutOrStdout(), schema)
		},
	}
}
