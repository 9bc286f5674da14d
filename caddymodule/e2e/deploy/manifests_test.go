package deploy

import (
	"errors"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// The versions of the modules whose structs the manifests are compared with.
const (
	kubernetesVersion = "v0.36.5" // Kubernetes 1.36
	goreleaserVersion = "v2.15.1"
)

// apis are the packages of the API versions.
var apis = map[string]string{
	"v1":                   "k8s.io/api/core/v1",
	"apps/v1":              "k8s.io/api/apps/v1",
	"networking.k8s.io/v1": "k8s.io/api/networking/v1",
}

// object is what the tests read of a Kubernetes object.
type object struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string
	Metadata   struct{ Name string }
	Data       map[string]string
	Spec       struct {
		Selector    yaml.Node
		PodSelector struct {
			MatchLabels map[string]string `yaml:"matchLabels"`
		} `yaml:"podSelector"`
		Template struct {
			Metadata struct{ Labels map[string]string }
			Spec     podSpec
		}
		Ports []struct {
			TargetPort string `yaml:"targetPort"`
		}
		Ingress []struct{ Ports []struct{ Port string } }
	}
	node *yaml.Node
}

type podSpec struct {
	InitContainers []podContainer `yaml:"initContainers"`
	Containers     []podContainer
	Volumes        []struct {
		Name      string
		ConfigMap struct{ Name string } `yaml:"configMap"`
	}
}

type podContainer struct {
	Name            string
	Ports           []struct{ Name string }
	VolumeMounts    []struct{ Name string } `yaml:"volumeMounts"`
	SecurityContext struct {
		RunAsNonRoot             bool  `yaml:"runAsNonRoot"`
		ReadOnlyRootFilesystem   bool  `yaml:"readOnlyRootFilesystem"`
		AllowPrivilegeEscalation *bool `yaml:"allowPrivilegeEscalation"`
		Capabilities             struct{ Drop []string }
	} `yaml:"securityContext"`
}

func (p podSpec) all() []podContainer { return append(slices.Clone(p.InitContainers), p.Containers...) }

// render returns the objects that kustomize makes of a folder.
func render(t *testing.T, folder string) (objects []object) {
	t.Helper()
	decoder := yaml.NewDecoder(strings.NewReader(run(t, "", "kustomize", "build", inDeploy("kubernetes", folder))))
	for {
		node := new(yaml.Node)
		switch err := decoder.Decode(node); {
		case errors.Is(err, io.EOF):
			return objects
		case err != nil:
			t.Fatal(err)
		}
		var o object
		if err := node.Decode(&o); err != nil {
			t.Fatal(err)
		}
		o.node = node.Content[0]
		objects = append(objects, o)
	}
}

// TestKubernetes renders the manifests, and checks their keys, and that they fit
// together. No cluster is needed.
func TestKubernetes(t *testing.T) {
	needTools(t)
	api, meta := moduleDir(t, "k8s.io/api@"+kubernetesVersion), moduleDir(t, "k8s.io/apimachinery@"+kubernetesVersion)
	s := &structs{tag: "json", packages: make(map[string]*source), folders: map[string]string{
		"k8s.io/apimachinery/pkg/apis/meta/v1": filepath.Join(meta, "pkg", "apis", "meta", "v1"),
	}}
	for _, path := range apis {
		s.folders[path] = filepath.Join(api, filepath.FromSlash(strings.TrimPrefix(path, "k8s.io/api/")))
	}
	for folder, want := range map[string]int{"base": 2, "sidecar": 4, "gateway": 9} {
		t.Run(folder, func(t *testing.T) {
			objects := render(t, folder)
			if len(objects) != want {
				t.Errorf("%d objects, want %d", len(objects), want)
			}
			for _, o := range objects {
				if apis[o.APIVersion] == "" {
					t.Errorf("unknown API version %s", o.APIVersion)
				}
				for _, wrong := range s.check(t, o.node, apis[o.APIVersion], o.Kind) {
					t.Errorf("%s %s: %s", o.Kind, o.Metadata.Name, wrong)
				}
			}
			fitTogether(t, objects)
		})
	}
}

// fitTogether checks that names in objects refer to other objects.
func fitTogether(t *testing.T, objects []object) {
	t.Helper()
	configs := make(map[string]bool)
	pods := make(map[string]podSpec) // by the label app
	for _, o := range objects {
		switch o.Kind {
		case "ConfigMap":
			configs[o.Metadata.Name] = true
		case "Deployment":
			pods[o.Spec.Template.Metadata.Labels["app"]] = o.Spec.Template.Spec
		}
	}
	for _, o := range objects {
		name := o.Kind + " " + o.Metadata.Name
		var selector map[string]string
		var ports []string
		switch o.Kind {
		case "Deployment":
			checkPod(t, name, o.Spec.Template.Spec, configs)
		case "Service":
			if err := o.Spec.Selector.Decode(&selector); err != nil {
				t.Fatal(err)
			}
			for _, port := range o.Spec.Ports {
				ports = append(ports, port.TargetPort)
			}
		case "NetworkPolicy":
			selector = o.Spec.PodSelector.MatchLabels
			for _, rule := range o.Spec.Ingress {
				for _, port := range rule.Ports {
					ports = append(ports, port.Port)
				}
			}
		}
		if selector == nil {
			continue
		}
		spec, ok := pods[selector["app"]]
		if !ok {
			t.Errorf("%s selects no pod: %v", name, selector)
		}
		has := portsOf(spec)
		for _, port := range ports {
			if !slices.Contains(has, port) {
				t.Errorf("%s: no container has port %s; there are %v", name, port, has)
			}
		}
	}
}

func portsOf(spec podSpec) (names []string) {
	for _, c := range spec.all() {
		for _, port := range c.Ports {
			names = append(names, port.Name)
		}
	}
	return names
}

// checkPod checks the volumes of a pod, and that its fault injector has no privileges.
func checkPod(t *testing.T, name string, spec podSpec, configs map[string]bool) {
	t.Helper()
	volumes := make(map[string]bool)
	for _, v := range spec.Volumes {
		volumes[v.Name] = true
		if config := v.ConfigMap.Name; config != "" && !configs[config] {
			t.Errorf("%s: no ConfigMap %s; there are %v", name, config, slices.Collect(maps.Keys(configs)))
		}
	}
	for _, c := range spec.all() {
		for _, mount := range c.VolumeMounts {
			if !volumes[mount.Name] {
				t.Errorf("%s: container %s mounts %s, and there is no such volume", name, c.Name, mount.Name)
			}
		}
		rights := c.SecurityContext
		if c.Name == "fault" && (!rights.RunAsNonRoot || !rights.ReadOnlyRootFilesystem || rights.AllowPrivilegeEscalation == nil ||
			*rights.AllowPrivilegeEscalation || !slices.Equal(rights.Capabilities.Drop, []string{"ALL"})) {
			t.Errorf("%s: the fault injector has privileges: %+v", name, rights)
		}
	}
}

// TestGoreleaser checks the keys of the configuration against the source of goreleaser.
// The step release of CI runs goreleaser itself.
func TestGoreleaser(t *testing.T) {
	needTools(t)
	dir := moduleDir(t, "github.com/goreleaser/goreleaser/v2@"+goreleaserVersion)
	const config = "github.com/goreleaser/goreleaser/v2/pkg/config"
	s := &structs{tag: "yaml", packages: make(map[string]*source), folders: map[string]string{config: filepath.Join(dir, "pkg", "config")}}
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(readFile(t, filepath.Join(root(), ".goreleaser.yaml"))), &doc); err != nil {
		t.Fatal(err)
	}
	for _, wrong := range s.check(t, doc.Content[0], config, "Project") {
		t.Error(wrong)
	}
}

// TestCompose checks what makes the compose file safe: ports on loopback only, and no
// container that can write outside of its volumes. No Docker engine runs it in CI.
func TestCompose(t *testing.T) {
	var compose struct {
		Name     string
		Services map[string]struct {
			Ports    []string
			ReadOnly bool     `yaml:"read_only"`
			CapDrop  []string `yaml:"cap_drop"`
			Secrets  []string
			Hostname string
		}
		Secrets map[string]struct{ Environment string }
		Volumes map[string]any
	}
	if err := yaml.Unmarshal([]byte(readFile(t, inDeploy("compose", "compose.yaml"))), &compose); err != nil {
		t.Fatal(err)
	}
	for name, service := range compose.Services {
		if !service.ReadOnly || !slices.Equal(service.CapDrop, []string{"ALL"}) {
			t.Errorf("%s can write, or has capabilities", name)
		}
		for _, port := range service.Ports {
			if !strings.HasPrefix(port, "127.0.0.1:") {
				t.Errorf("%s publishes %s", name, port)
			}
		}
		for _, secret := range service.Secrets {
			if compose.Secrets[secret].Environment == "" {
				t.Errorf("%s has no secret %s", name, secret)
			}
		}
	}
	caddyfile := readFile(t, inDeploy("compose", "Caddyfile"))
	if host := compose.Services["fault"].Hostname; host == "" || !strings.Contains(caddyfile, "admin "+host+":2019") {
		t.Errorf("the Caddyfile does not listen on the host name %q", host)
	}
}
