// SPDX-License-Identifier: BSD-2-Clause

// The service that many run today: one ffmpeg process for each request, at most 50 at a time, its
// pipes copied by io.Copy. A request is a connection to a unix socket: the input, then the end of
// writing; the answer is the output, or nothing if ffmpeg failed. No HTTP: it would only cost.
//
//	forks SOCKET FFMPEG-ARGUMENT...
package main

import (
	"io"
	"log"
	"net"
	"os"
	"os/exec"
)

const slots = 50

func serve(connection *net.UnixConn, free chan struct{}, arguments []string) {
	defer connection.Close()
	free <- struct{}{}
	defer func() { <-free }()

	command := exec.Command("ffmpeg", arguments...)
	command.Stderr = os.Stderr
	input, err := command.StdinPipe()
	if err != nil {
		log.Print(err)
		return
	}
	output, err := command.StdoutPipe()
	if err != nil {
		log.Print(err)
		return
	}
	if err := command.Start(); err != nil {
		log.Print(err)
		return
	}
	go func() {
		io.Copy(input, connection) // ffmpeg may have enough before the end
		input.Close()
	}()
	if _, err := io.Copy(connection, output); err != nil {
		log.Print(err)
	}
	if err := command.Wait(); err != nil {
		log.Print(err)
	}
}

func main() {
	if len(os.Args) < 3 {
		log.Fatal("usage: forks SOCKET FFMPEG-ARGUMENT...")
	}
	address := &net.UnixAddr{Name: os.Args[1], Net: "unix"}
	listener, err := net.ListenUnix("unix", address)
	if err != nil {
		log.Fatal(err)
	}
	free := make(chan struct{}, slots)
	for {
		connection, err := listener.AcceptUnix()
		if err != nil {
			log.Fatal(err)
		}
		go serve(connection, free, os.Args[2:])
	}
}
