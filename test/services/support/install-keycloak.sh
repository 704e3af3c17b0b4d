#!/usr/bin/env bash
# Puts Keycloak where the suite of services looks for it. Needs maven and unzip; does nothing when it is there.
set -euo pipefail
version=26.5.6
folder="${XDG_CACHE_HOME:-$HOME/.cache}/score-sdk-ci/keycloak"
home="$folder/keycloak-$version"
[ -e "$home/.complete" ] && exit
repository="$folder/maven"
rm -rf "$home" && mkdir -p "$folder"
mvn -q -B dependency:get -Dmaven.repo.local="$repository" \
  -Dartifact="org.keycloak:keycloak-quarkus-dist:$version:zip" -Dtransitive=false
unzip -q "$repository/org/keycloak/keycloak-quarkus-dist/$version/keycloak-quarkus-dist-$version.zip" -d "$folder"
rm -rf "$repository"
touch "$home/.complete"
