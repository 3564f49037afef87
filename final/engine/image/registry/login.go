//go:build linux

package registry

import (
	"context"

	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/credentials"
)

// Login asks the registry whether it knows a name and a password, and keeps them if it does.
func (c *Client) Login(ctx context.Context, user, password string) error {
	r := &remote.Registry{RepositoryOptions: remote.RepositoryOptions{Client: c.repository.Client, Reference: c.repository.Reference, PlainHTTP: c.repository.PlainHTTP}}
	err := credentials.Login(ctx, c.credential, r, auth.Credential{Username: user, Password: password})
	return explained(c.repository.Reference.Registry, err)
}

// Logout forgets the name and the password for a registry.
func Logout(ctx context.Context, name string) error {
	store, err := credentialStore()
	if err != nil {
		return err
	}
	return credentials.Logout(ctx, store, name)
}
