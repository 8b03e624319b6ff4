#!/bin/sh
# For the first line of old tutorials: nothing has failed, so that their next line can follow.
echo "There is no ZooKeeper to start: the broker keeps what it needs itself. Go on with bin/kafka-server-start.sh."
