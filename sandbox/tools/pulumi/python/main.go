// A Python language host for the tests: it generates SDKs with Pulumi's own generator and runs programs with the
// Python that $CASA_UPGRADE_PYTHON names. The official host is in no package registry; its generator is, as a library.
package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/pulumi/pulumi/pkg/v3/codegen/python"
	"github.com/pulumi/pulumi/pkg/v3/codegen/schema"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	"github.com/pulumi/pulumi/sdk/v3/go/common/version"
	rpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"
)

//go:embed run.py
var runner string

// The exit code by which the runner says that it has told the engine why it failed.
const alreadyReported = 32

type host struct {
	rpc.UnimplementedLanguageRuntimeServer
	engine string
}

func (h *host) Handshake(context.Context, *rpc.LanguageHandshakeRequest) (*rpc.LanguageHandshakeResponse, error) {
	return &rpc.LanguageHandshakeResponse{}, nil
}

func (h *host) GetPluginInfo(context.Context, *emptypb.Empty) (*rpc.PluginInfo, error) {
	return &rpc.PluginInfo{Version: version.Version}, nil
}

// GetRequiredPackages is for what the engine should download; the project names the packages of the tests.
func (h *host) GetRequiredPackages(
	context.Context, *rpc.GetRequiredPackagesRequest,
) (*rpc.GetRequiredPackagesResponse, error) {
	return &rpc.GetRequiredPackagesResponse{}, nil
}

func (h *host) InstallDependencies(
	_ *rpc.InstallDependenciesRequest, server grpc.ServerStreamingServer[rpc.InstallDependenciesResponse],
) error {
	return server.Send(&rpc.InstallDependenciesResponse{Stdout: []byte("nothing is installed by this host\n")})
}

// Link tells how to import a generated SDK, and leaves the program's list of requirements alone.
func (h *host) Link(_ context.Context, req *rpc.LinkRequest) (*rpc.LinkResponse, error) {
	var lines []string
	for _, one := range req.Packages {
		lines = append(lines, "pip install "+one.Path)
	}
	return &rpc.LinkResponse{ImportInstructions: strings.Join(lines, "\n") + "\n"}, nil
}

func (h *host) GeneratePackage(
	_ context.Context, req *rpc.GeneratePackageRequest,
) (*rpc.GeneratePackageResponse, error) {
	loader, err := schema.NewLoaderClient(req.LoaderTarget)
	if err != nil {
		return nil, err
	}
	var spec schema.PackageSpec
	if err := json.Unmarshal([]byte(req.Schema), &spec); err != nil {
		return nil, err
	}
	pkg, diags, err := schema.BindSpec(spec, loader, schema.ValidationOptions{})
	if err != nil {
		return nil, err
	}
	if diags.HasErrors() {
		return nil, diags
	}
	files, err := python.GeneratePackage("pulumi-language-python", pkg, req.ExtraFiles, schema.NewCachedLoader(loader))
	if err != nil {
		return nil, err
	}
	for name, content := range files {
		path := filepath.Join(req.Directory, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return nil, err
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			return nil, err
		}
	}
	return &rpc.GeneratePackageResponse{}, nil
}

func (h *host) Run(ctx context.Context, req *rpc.RunRequest) (*rpc.RunResponse, error) {
	config, err := json.Marshal(req.Config)
	if err != nil {
		return nil, err
	}
	secretKeys, err := json.Marshal(req.ConfigSecretKeys)
	if err != nil {
		return nil, err
	}
	interpreter := os.Getenv("CASA_UPGRADE_PYTHON")
	if interpreter == "" {
		interpreter = "python3"
	}
	cmd := exec.CommandContext(ctx, interpreter, "-u", "-c", runner,
		req.MonitorAddress, h.engine, req.Organization, req.Project, req.Stack, req.Info.RootDirectory,
		strconv.Itoa(int(req.Parallel)), strconv.FormatBool(req.DryRun), req.Info.ProgramDirectory)
	cmd.Dir = req.Pwd
	cmd.Env = append(os.Environ(), "PULUMI_CONFIG="+string(config), "PULUMI_CONFIG_SECRET_KEYS="+string(secretKeys))
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == alreadyReported {
		return &rpc.RunResponse{Bail: true}, nil
	}
	if err != nil {
		return &rpc.RunResponse{Error: fmt.Sprintf("the Python program failed: %v", err)}, nil
	}
	return &rpc.RunResponse{}, nil
}

func main() {
	// The engine passes flags and, last, its own address; it reads our port from stdout.
	engine := os.Args[len(os.Args)-1]
	server, err := rpcutil.ServeWithOptions(rpcutil.ServeOptions{
		Init: func(server *grpc.Server) error {
			rpc.RegisterLanguageRuntimeServer(server, &host{engine: engine})
			return nil
		},
		Options: rpcutil.OpenTracingServerInterceptorOptions(nil),
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(server.Port)
	if err := <-server.Done; err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
