package main

import (
	"bytes"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

func expectError(got, want error) {
	expect(errors.Is(got, want), "got %v instead of %v", got, want)
}

func errorUnknownTopic(r *Run) {
	topic := r.prefix + "-nowhere"
	described := must(r.admin.ListTopics(r.ctx, topic))
	expectError(described[topic].Err, kerr.UnknownTopicOrPartition)

	producer := r.client(kgo.UnknownTopicRetries(2), kgo.MetadataMinAge(10*time.Millisecond))
	err := producer.ProduceSync(r.ctx, &kgo.Record{Topic: topic}).FirstErr()
	expectError(err, kerr.UnknownTopicOrPartition)
}

func errorTooLargeRecord(r *Run) {
	topic := r.topic("too-large", 1)
	producer := r.client(
		kgo.ProducerBatchMaxBytes(4<<20), kgo.ProducerBatchCompression(kgo.NoCompression()))
	large := &kgo.Record{Topic: topic, Value: bytes.Repeat([]byte("x"), 2<<20)}
	expectError(producer.ProduceSync(r.ctx, large).FirstErr(), kerr.MessageTooLarge)

	// The same client goes on.
	small := &kgo.Record{Topic: topic, Value: []byte("small")}
	check(producer.ProduceSync(r.ctx, small).FirstErr())
	expect(string(r.readAll(topic, 1, 1)[0].Value) == "small", "wrong record")
}

func errorInvalidTopicName(r *Run) {
	_, err := r.admin.CreateTopic(r.ctx, 1, 1, nil, r.prefix+"-no spaces!")
	expectError(err, kerr.InvalidTopicException)
}

func errorDuplicateTopic(r *Run) {
	topic := r.topic("twice", 1)
	_, err := r.admin.CreateTopic(r.ctx, 1, 1, nil, topic)
	expectError(err, kerr.TopicAlreadyExists)
}

func errorBadPartitionCount(r *Run) {
	_, err := r.admin.CreateTopic(r.ctx, 0, 1, nil, r.prefix+"-no-partitions")
	expectError(err, kerr.InvalidPartitions)

	topic := r.topic("shrink", 3)
	shrunk := must(r.admin.UpdatePartitions(r.ctx, 2, topic))
	expectError(shrunk[topic].Err, kerr.InvalidPartitions)
}

func errorUnknownGroup(r *Run) {
	group := r.prefix + "-nobody"
	described := must(r.admin.DescribeGroups(r.ctx, group))
	expect(described[group].State == "Dead", "state %q", described[group].State)
	expectError(described[group].Err, kerr.GroupIDNotFound)

	deleted := must(r.admin.DeleteGroups(r.ctx, group))
	expectError(deleted[group].Err, kerr.GroupIDNotFound)
}
