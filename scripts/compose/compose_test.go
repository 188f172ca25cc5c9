// Package compose_test checks docker-compose.yml with the reader that Docker
// itself uses: it has no code of its own, and is a module apart.
package compose_test

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

func load(t *testing.T, environment ...string) *types.Project {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{"../../docker-compose.yml"},
		cli.WithEnv(environment), cli.WithProfiles([]string{"*"}), cli.WithInterpolation(true), cli.WithConsistency(true))
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return project
}

func TestServices(t *testing.T) {
	t.Parallel()
	project := load(t)
	if want, have := []string{"kafka", "simulator", "sluice", "tools", "topics"}, project.ServiceNames(); !slices.Equal(want, have) {
		t.Fatalf("want the services %v, have %v", want, have)
	}
	members := project.Services["sluice"]
	if members.Deploy == nil || members.Deploy.Replicas == nil || *members.Deploy.Replicas != 2 {
		t.Errorf("want two members, have %v", members.Deploy)
	}
	// The drain of 30 s must fit before the kill.
	if members.StopGracePeriod == nil || time.Duration(*members.StopGracePeriod) <= 30*time.Second {
		t.Errorf("want a grace period above the drain, have %v", members.StopGracePeriod)
	}
	if members.HealthCheck != nil {
		t.Error("want the members' health asked as the image says")
	}
	for name, disabled := range map[string]bool{"simulator": true, "topics": true, "tools": true, "kafka": false} {
		if h := project.Services[name].HealthCheck; h == nil || h.Disable != disabled {
			t.Errorf("%s: want a health check of its own or none, have %v", name, h)
		}
	}
}

// TestOrder: topics are made once Kafka is healthy, and members start after.
func TestOrder(t *testing.T) {
	t.Parallel()
	project := load(t)
	for _, tc := range []struct{ service, before, want string }{
		{"topics", "kafka", types.ServiceConditionHealthy},
		{"sluice", "topics", types.ServiceConditionCompletedSuccessfully},
		{"sluice", "simulator", types.ServiceConditionStarted},
	} {
		if have := project.Services[tc.service].DependsOn[tc.before].Condition; have != tc.want {
			t.Errorf("%s after %s: want %q, have %q", tc.service, tc.before, tc.want, have)
		}
	}
}

// TestNothingIsOpenToTheNetwork: this composition has no credentials worth the
// name, so its ports are for this machine alone.
func TestNothingIsOpenToTheNetwork(t *testing.T) {
	t.Parallel()
	ports := 0
	for name, service := range load(t).Services {
		for _, p := range service.Ports {
			ports++
			if p.HostIP != "127.0.0.1" {
				t.Errorf("%s: port %d is open on %q", name, p.Target, p.HostIP)
			}
		}
		if tag := service.Image[strings.LastIndex(service.Image, ":")+1:]; tag == service.Image || tag == "latest" {
			t.Errorf("%s: want an image of a fixed version, have %s", name, service.Image)
		}
	}
	if ports != 3 {
		t.Errorf("want the ports of Kafka, the simulator and the members, have %d", ports)
	}
}

func TestOursAreLockedDown(t *testing.T) {
	t.Parallel()
	for name, service := range load(t).Services {
		if name == "kafka" {
			continue
		}
		if !service.ReadOnly || !slices.Contains(service.CapDrop, "ALL") || !slices.Contains(service.SecurityOpt, "no-new-privileges:true") || service.Privileged {
			t.Errorf("%s: want read_only, no capability and no new privileges", name)
		}
		for _, v := range service.Volumes {
			if _, err := os.Stat(v.Source); err != nil || !v.ReadOnly {
				t.Errorf("%s: want %s to be there and read-only: %v", name, v.Source, err)
			}
		}
		if service.Build == nil || service.Build.Context == "" {
			t.Errorf("%s: want it built from here", name)
		}
	}
}

// TestPartsFitTogether: the configuration, the broker and the simulator must
// name each other alike, and the credentials must be the same in both places.
func TestPartsFitTogether(t *testing.T) {
	t.Parallel()
	project := load(t, "CIO_US_SITE_ID=site-7", "CIO_US_API_KEY=key-7")
	text, err := os.ReadFile("../../deploy/compose/sluice.yaml")
	if err != nil {
		t.Fatal(err)
	}
	configuration := string(text)
	advertised := *project.Services["kafka"].Environment["KAFKA_ADVERTISED_LISTENERS"]
	if !strings.Contains(advertised, "://kafka:19092") || !strings.Contains(configuration, "[kafka:19092]") {
		t.Errorf("want members to reach Kafka at kafka:19092, have %s", advertised)
	}
	if !strings.Contains(configuration, "http://simulator:8090") {
		t.Error("want the workspace at the simulator")
	}
	if have := project.Services["simulator"].Command; !slices.Contains(have, "site-7:key-7") {
		t.Errorf("want the simulator to take the members' key, have %v", have)
	}
	for name, value := range map[string]string{"CIO_US_SITE_ID": "site-7", "CIO_US_API_KEY": "key-7"} {
		if have := project.Services["sluice"].Environment[name]; have == nil || *have != value || !strings.Contains(configuration, "${"+name+"}") {
			t.Errorf("want %s from the environment into the configuration, have %v", name, have)
		}
	}
}
