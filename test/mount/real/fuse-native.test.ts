import { driverContract } from './driver-contract.ts'

driverContract('fuse-native')
