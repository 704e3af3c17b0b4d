import { driverContract } from './driver-contract.ts'

driverContract('kernel')
